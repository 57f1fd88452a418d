"""API keys remembered for less than a second, so that a request costs no query for its key."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.pages import Page, Position
from application.ports.api_keys import ApiKeys
from application.ports.clock import Clock
from domain.merchant import ApiKey

_log = logging.getLogger("harbor.api_keys")

_REMEMBERED_SECONDS: Final = 0.9
_MOST_REMEMBERED: Final = 10_000
_TOUCHED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class _Question:
    """`asked_at` is from before the store was asked: the answer may be as old as that."""

    asked_at: float
    answer: asyncio.Task[tuple[ApiKey, ...]]


class RememberedApiKeys(ApiKeys):
    """A revocation made through this object counts at once, one made elsewhere within a second.

    Requests that need the same key at the same time ask once. Unknown prefixes and failures are
    not remembered: a new key works at once.
    """

    def __init__(self, inner: ApiKeys, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self._questions: dict[str, _Question] = {}
        self._touched: dict[UUID, datetime] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def with_prefix(self, prefix: str) -> tuple[ApiKey, ...]:
        now = self._clock.monotonic()
        question = self._questions.get(prefix)
        if question is None or now - question.asked_at >= _REMEMBERED_SECONDS:
            question = self._ask(prefix, now)
        if question.answer.done():
            return question.answer.result()
        return await asyncio.shield(question.answer)

    async def get(self, merchant_id: UUID, key_id: UUID) -> ApiKey | None:
        return await self._inner.get(merchant_id, key_id)

    async def page(self, merchant_id: UUID, after: Position | None, limit: int) -> Page[ApiKey]:
        return await self._inner.page(merchant_id, after, limit)

    async def add(self, key: ApiKey) -> None:
        await self._inner.add(key)
        self.forget(key.prefix)

    async def revoke(self, key: ApiKey) -> None:
        await self._inner.revoke(key)
        self.forget(key.prefix)

    async def touch(self, key: ApiKey, used_at: datetime) -> None:
        touched = self._touched.get(key.id)
        if touched is not None and used_at - touched < _TOUCHED_EVERY:
            return
        _make_room(self._touched)
        self._touched[key.id] = used_at
        # No request waits for a note that is only for people.
        note = asyncio.create_task(self._inner.touch(key, used_at))
        self._notes.add(note)
        note.add_done_callback(self._put_away)

    async def drain(self) -> None:
        """Wait until what was to be noted is noted."""
        if self._notes:
            await asyncio.wait(self._notes)

    def forget(self, prefix: str) -> None:
        self._questions.pop(prefix, None)

    def _ask(self, prefix: str, now: float) -> _Question:
        question = _Question(now, asyncio.create_task(self._inner.with_prefix(prefix)))
        _make_room(self._questions)
        self._questions[prefix] = question
        question.answer.add_done_callback(lambda _: self._keep_only_finds(prefix, question))
        return question

    def _put_away(self, note: asyncio.Task[None]) -> None:
        self._notes.discard(note)
        if not note.cancelled() and (failure := note.exception()) is not None:
            _log.warning("the use of an API key was not noted: %s", type(failure).__name__)

    def _keep_only_finds(self, prefix: str, question: _Question) -> None:
        answer = question.answer
        found = not answer.cancelled() and answer.exception() is None and answer.result()
        if not found and self._questions.get(prefix) is question:
            del self._questions[prefix]


def _make_room(remembered: dict[str, _Question] | dict[UUID, datetime]) -> None:
    if len(remembered) >= _MOST_REMEMBERED:
        remembered.clear()
