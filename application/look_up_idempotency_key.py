"""Tell a client that lost an answer what became of its key."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from application.ports.clock import Clock
from application.ports.idempotency import IdempotencyStore, StoredAnswer
from application.ports.orders import Orders
from domain.order import Order


class KeyState(StrEnum):
    NEVER_SEEN = "never_seen"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOutcome:
    """`answer` from `completed` on; `order` as it is now, when the key made one."""

    key: str
    state: KeyState
    answer: StoredAnswer | None = None
    order: Order | None = None


class LookUpIdempotencyKey:
    def __init__(self, *, answers: IdempotencyStore, orders: Orders, clock: Clock) -> None:
        self._answers = answers
        self._orders = orders
        self._clock = clock

    async def __call__(self, merchant_id: UUID, key: str) -> KeyOutcome:
        """Raises StorageUnavailable."""
        # This order matters: what stops running after the first question is seen by the second.
        running = await self._answers.is_running(merchant_id, key)
        answer = await self._answers.find(merchant_id, key)
        if answer is None:
            state = KeyState.IN_PROGRESS if running else KeyState.NEVER_SEEN
            return KeyOutcome(key=key, state=state)
        expired = answer.body is None or self._clock.now() >= answer.expires_at
        order = None
        if answer.resource_type == "order":
            order = await self._orders.get(merchant_id, answer.resource_id)
        return KeyOutcome(
            key=key,
            state=KeyState.EXPIRED if expired else KeyState.COMPLETED,
            answer=answer,
            order=order,
        )
