"""One request at a time per key within this process; duplicates wait for its answer."""

import asyncio
from datetime import datetime
from uuid import UUID

from application.ports.faults import KeyInProgress, OutcomeUnknown, StorageUnavailable
from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer


class SingleFlightIdempotency(IdempotencyStore):
    """The first to come records; the others get what it got. What one caller waits for is no task
    of its own, so that it costs next to nothing; whoever stops waiting may leave a commit behind
    that goes on, and is told that its outcome is unknown."""

    def __init__(
        self, inner: IdempotencyStore, *, wait_seconds: float = 2.0, deadline_seconds: float = 25.0
    ) -> None:
        """A duplicate waits `wait_seconds`; the first waits `deadline_seconds`."""
        self._inner = inner
        self._wait_seconds = wait_seconds
        self._deadline_seconds = deadline_seconds
        self._flights: dict[tuple[UUID, str], asyncio.Future[Standing]] = {}

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
        flight: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()
        self._flights[identity] = flight
        try:
            standing = await self._record(record)
        except Exception as failure:
            flight.set_exception(failure)
            # Marks it as seen: mostly nobody follows.
            flight.exception()
            raise
        except BaseException:
            flight.cancel()
            raise
        else:
            flight.set_result(standing)
            return standing
        finally:
            del self._flights[identity]

    async def _record(self, record: Record) -> Standing:
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._inner.record(record)
        except TimeoutError as error:
            raise OutcomeUnknown from error

    async def _follow(self, flight: asyncio.Future[Standing]) -> Standing | None:
        """What the first got, a fault of the store included; None when it failed for a reason of
        its own, so that the next one may try."""
        await asyncio.wait({flight}, timeout=self._wait_seconds)
        if not flight.done():
            raise KeyInProgress
        if flight.cancelled():
            return None
        failure = flight.exception()
        if isinstance(failure, StorageUnavailable | OutcomeUnknown | KeyInProgress):
            # A new one for each who waited: a traceback is not shared.
            raise type(failure)(*failure.args) from failure
        return None if failure else Standing(answer=flight.result().answer, fresh=False)

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
            await asyncio.wait(set(self._flights.values()))
