"""Clear the answers that need no longer be replayed. Their keys stay used for ever."""

from typing import Final

from application.ports.clock import Clock
from application.ports.idempotency import IdempotencyStore

BATCH: Final = 500


class DropExpiredAnswers:
    def __init__(self, *, answers: IdempotencyStore, clock: Clock) -> None:
        self._answers = answers
        self._clock = clock

    async def __call__(self) -> int:
        """How many bodies were cleared. Works in small batches, so that no lock is held long.
        Raises StorageUnavailable."""
        cleared = 0
        while True:
            batch = await self._answers.drop_expired_bodies(self._clock.now(), BATCH)
            cleared += batch
            if batch < BATCH:
                return cleared
