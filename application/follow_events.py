"""Follow a merchant's feed as it grows, without a connection to the database for each listener."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Final
from uuid import UUID

from application.ports.events import EventFilter, EventPage, Events
from application.ports.faults import StorageUnavailable

_PAGE: Final = 100

_log = logging.getLogger("harbor.events")


class FollowEvents:
    """While anybody listens, one task asks how far the feeds of all who listen have come, every
    `look_seconds`; a listener reads a page when there is something in it for him."""

    def __init__(self, *, events: Events, look_seconds: float) -> None:
        self._events = events
        self._look_seconds: Final = look_seconds
        self._waiting: dict[asyncio.Future[None], tuple[UUID, int]] = {}
        """Who waits, for which merchant's feed to come beyond which sequence."""
        self._looking: asyncio.Task[None] | None = None
        self._reading: set[asyncio.Task[EventPage]] = set()
        self._listeners: Counter[UUID] = Counter()

    def has_room_for(self, merchant_id: UUID, limit: int) -> bool:
        """Whether one more may listen, where `limit` may in all: a merchant has half of that, at
        least one, so that there is always room for others."""
        own = max(1, limit // 2)
        return self._listeners.total() < limit and self._listeners[merchant_id] < own

    async def __call__(
        self, which: EventFilter, *, after: int, silence_seconds: float
    ) -> AsyncGenerator[EventPage]:
        """Pages without end, the next one when it is asked for: a listener that does not keep up is
        behind, and nothing is kept for him. One without items after each silence, also while there
        are others that he did not ask for: its `last` is how far he has come.

        Raises StorageUnavailable.
        """
        clock = asyncio.get_running_loop()
        self._listeners[which.merchant_id] += 1
        try:
            told = clock.time()
            while True:
                page = await self._page(which, after)
                after = page.last
                if not page.items:
                    silence = told + silence_seconds - clock.time()
                    if silence > 0 and (
                        page.has_more or await self._comes_beyond(which.merchant_id, after, silence)
                    ):
                        continue
                yield page
                told = clock.time()
        finally:
            self._listeners[which.merchant_id] -= 1
            if not self._listeners[which.merchant_id]:
                del self._listeners[which.merchant_id]

    async def _page(self, which: EventFilter, after: int) -> EventPage:
        """Read to the end also when the listener leaves meanwhile: a statement that is canceled
        costs the database's connection."""
        reading = asyncio.create_task(self._events.page(which, after, _PAGE))
        self._reading.add(reading)
        reading.add_done_callback(self._read)
        return await asyncio.shield(reading)

    def _read(self, reading: asyncio.Task[EventPage]) -> None:
        self._reading.discard(reading)
        if not reading.cancelled():
            # Whoever asked may have left: then nobody else fetches it.
            reading.exception()

    async def _comes_beyond(self, merchant_id: UUID, sequence: int, seconds: float) -> bool:
        """Whether the feed came beyond the sequence in that time."""
        comes = asyncio.get_running_loop().create_future()
        self._waiting[comes] = (merchant_id, sequence)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                await comes
        except TimeoutError:
            return False
        finally:
            del self._waiting[comes]
        return True

    async def _look(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._look_seconds)
            try:
                asked = {merchant_id for merchant_id, _ in self._waiting.values()}
                last = await self._events.last_sequences(asked)
            except StorageUnavailable:
                # Whoever reads is told so; who waits goes on waiting.
                _log.warning("the feeds cannot be looked at; trying again shortly")
                continue
            for comes, (merchant_id, sequence) in self._waiting.items():
                if last.get(merchant_id, 0) > sequence and not comes.done():
                    comes.set_result(None)
