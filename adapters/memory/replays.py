"""The latest answers of this process: a retry mostly comes soon, and to the same process."""

from collections import OrderedDict
from datetime import datetime
from typing import Final
from uuid import UUID

from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer

_MOST_ANSWERS: Final = 1_000
_MOST_BYTES: Final = 2_000_000


class RememberedAnswers(IdempotencyStore):
    """Holds answers that were committed, the latest used of them. As the answer to a key never
    changes, it can only be forgotten here, never become wrong; one that holds a secret is not
    kept."""

    def __init__(
        self,
        inner: IdempotencyStore,
        *,
        most_answers: int = _MOST_ANSWERS,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """`most_bytes` is of the bodies alone."""
        self._inner = inner
        self._most_answers = most_answers
        self._most_bytes = most_bytes
        self._answers: OrderedDict[tuple[UUID, str], StoredAnswer] = OrderedDict()
        self._bytes = 0

    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        identity = (merchant_id, key)
        remembered = self._answers.get(identity)
        if remembered is not None:
            self._answers.move_to_end(identity)
            return remembered
        recalled = await self._inner.recall(merchant_id, key)
        if recalled is not None:
            self._remember(recalled)
        return recalled

    async def record(self, record: Record) -> Standing:
        standing = await self._inner.record(record)
        self._remember(standing.answer)
        return standing

    async def find(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        return await self._inner.find(merchant_id, key)

    async def is_running(self, merchant_id: UUID, key: str) -> bool:
        return await self._inner.is_running(merchant_id, key)

    async def drop_expired_bodies(self, now: datetime, limit: int) -> int:
        return await self._inner.drop_expired_bodies(now, limit)

    def _remember(self, answer: StoredAnswer) -> None:
        if answer.sealed or answer.body is None:
            return
        identity = (answer.merchant_id, answer.key)
        if identity in self._answers:
            self._forget(identity)
        self._answers[identity] = answer
        self._bytes += len(answer.body)
        while len(self._answers) > self._most_answers or self._bytes > self._most_bytes:
            self._forget(next(iter(self._answers)))

    def _forget(self, identity: tuple[UUID, str]) -> None:
        answer = self._answers.pop(identity, None)
        if answer is not None:
            self._bytes -= len(answer.body or b"")
