"""One request at a time per key within this process; duplicates wait for its answer."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from application.ports.faults import KeyInProgress, OutcomeUnknown, StorageUnavailable
from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer

_LOOKS: Final = 10
"""How often within the deadline it is looked who is beyond it."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A recording under way, and how it ended."""

    task: "asyncio.Task[Any] | None"
    started_at: float
    overdue: bool = False
    standing: Standing | None = None
    failure: Exception | None = None
    landed: asyncio.Event | None = None
    """Made when somebody waits for it, which is seldom."""

    async def landing(self) -> None:
        if self.landed is None:
            self.landed = asyncio.Event()
        await self.landed.wait()

    def land(self) -> None:
        if self.landed is not None:
            self.landed.set()


class SingleFlightIdempotency(IdempotencyStore):
    """The first to come records, in its own task; the others get what it got. Whoever stops waiting
    may leave a commit behind that goes on, and is told that its outcome is unknown."""

    def __init__(
        self, inner: IdempotencyStore, *, wait_seconds: float = 2.0, deadline_seconds: float = 25.0
    ) -> None:
        """A duplicate waits `wait_seconds`; the first waits `deadline_seconds`, up to a tenth
        more: one timer for all costs nothing, one for each a part of the request."""
        self._inner = inner
        self._wait_seconds = wait_seconds
        self._deadline_seconds = deadline_seconds
        self._flights: dict[tuple[UUID, str], _Flight] = {}
        self._next_look: asyncio.TimerHandle | None = None

    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        return await self._inner.recall(merchant_id, key)

    async def record(self, record: Record) -> Standing:
        identity = (record.answer.merchant_id, record.answer.key)
        while (flight := self._flights.get(identity)) is not None:
            standing = await self._follow(flight)
            if standing is not None:
                return standing
        return await self._lead(identity, record)

    async def _lead(self, identity: tuple[UUID, str], record: Record) -> Standing:
        loop = asyncio.get_running_loop()
        flight = _Flight(asyncio.current_task(), loop.time())
        self._flights[identity] = flight
        if self._next_look is None:
            self._look_later(loop)
        try:
            flight.standing = standing = await self._inner.record(record)
        except asyncio.CancelledError:
            if flight.task is None or not flight.overdue:
                raise
            flight.task.uncancel()
            flight.failure = OutcomeUnknown()
            raise flight.failure from None
        except Exception as failure:
            flight.failure = failure
            raise
        finally:
            del self._flights[identity]
            flight.land()
        return standing

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next_look = loop.call_later(self._deadline_seconds / _LOOKS, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """The flights are in the order of their start."""
        self._next_look = None
        for flight in self._flights.values():
            if loop.time() - flight.started_at < self._deadline_seconds:
                break
            if flight.task is not None and not flight.overdue:
                flight.overdue = True
                flight.task.cancel()
        if self._flights:
            self._look_later(loop)

    async def _follow(self, flight: _Flight) -> Standing | None:
        """What the first got, a fault of the store included; None when it failed for a reason of
        its own, so that the next one may try."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await flight.landing()
        except TimeoutError:
            raise KeyInProgress from None
        if flight.standing is not None:
            return Standing(answer=flight.standing.answer, fresh=False)
        failure = flight.failure
        if isinstance(failure, StorageUnavailable | OutcomeUnknown | KeyInProgress):
            # A new one for each who waited: a traceback is not shared.
            raise type(failure)(*failure.args) from failure
        return None

    async def find(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        return await self._inner.find(merchant_id, key)

    async def is_running(self, merchant_id: UUID, key: str) -> bool:
        running_here = (merchant_id, key) in self._flights
        return running_here or await self._inner.is_running(merchant_id, key)

    async def drop_expired_bodies(self, now: datetime, limit: int) -> int:
        return await self._inner.drop_expired_bodies(now, limit)

    async def drain(self) -> None:
        """Wait until nothing is being recorded any more."""
        while self._flights:
            await asyncio.gather(*(flight.landing() for flight in self._flights.values()))
