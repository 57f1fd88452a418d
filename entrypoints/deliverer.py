"""The worker's part that tells merchants: turns of endpoints, many side by side."""

import asyncio
import logging
from typing import Final

from application.deliver_webhooks import DeliverWebhooks
from application.ports.delivery_turns import Turn
from application.ports.faults import StorageUnavailable

_CLAIMED_AT_ONCE: Final = 16
_FOR_FAILING: Final = 0.5
"""The part of the places that endpoints may take at which nothing has succeeded lately, or that
turned out to be slow: they keep nobody else waiting."""
_SLOW_AFTER_SECONDS: Final = 2.0
_MOST: Final = 4
"""Times the places, for turns that are slow and those beside them."""
_TROUBLE_SECONDS: Final = 1.0

_log = logging.getLogger("harbor.webhooks")


class Deliverer:
    """Works until it is stopped, then finishes the turns that it has begun."""

    def __init__(self, deliver: DeliverWebhooks, *, places: int, look_seconds: float) -> None:
        self._deliver = deliver
        self._places = places
        self._for_failing = max(1, int(places * _FOR_FAILING))
        self._look_seconds = look_seconds
        self._healthy: dict[asyncio.Task[None], float] = {}
        """Each with the loop's time at which it began."""
        self._failing: dict[asyncio.Task[None], float] = {}
        self._changed = asyncio.Event()
        """Set when there may be more to do, or when it is time to stop."""
        self._stopping = False

    @property
    def at_work(self) -> set[asyncio.Task[None]]:
        return {*self._healthy, *self._failing}

    def wake(self) -> None:
        """Something has become due."""
        self._changed.set()

    def stop(self) -> None:
        self._stopping = True
        self._deliver.stop()
        self._changed.set()

    async def run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            begun = await self._begin(self._healthy, self._room())
            if not self._stopping:
                room = self._for_failing - len(self._failing)
                begun += await self._begin(self._failing, min(room, self._room()), failing=True)
            if not begun:
                await self._rest(self._look_seconds)

    def _room(self) -> int:
        """For turns at endpoints that may be quick. What is slow takes a part of the places, and
        beyond that nobody's."""
        slow_since = asyncio.get_running_loop().time() - _SLOW_AFTER_SECONDS
        slow = sum(began < slow_since for began in self._healthy.values()) + len(self._failing)
        taken = len(self._healthy) + len(self._failing)
        room = self._places - (taken - slow) - min(slow, self._for_failing)
        return min(room, _MOST * self._places - taken)

    async def _begin(
        self, running: dict[asyncio.Task[None], float], room: int, *, failing: bool = False
    ) -> int:
        """Begin what there is room for; how many that were."""
        if room < 1:
            return 0
        try:
            turns = await self._deliver.claim(min(room, _CLAIMED_AT_ONCE), failing=failing)
        except StorageUnavailable:
            _log.warning("the database cannot be reached; trying again shortly")
            await self._rest(_TROUBLE_SECONDS)
            return 0
        except Exception:
            # One failure must not end the worker.
            _log.exception("claiming turns failed")
            await self._rest(_TROUBLE_SECONDS)
            return 0
        for turn in turns:
            task = asyncio.create_task(self._carry_out(turn))
            running[task] = asyncio.get_running_loop().time()
            task.add_done_callback(running.pop)
        return len(turns)

    async def _carry_out(self, turn: Turn) -> None:
        endpoint_id = str(turn.endpoint.id)
        try:
            await self._deliver.carry_out(turn)
        except StorageUnavailable:
            _log.warning("deliveries were not recorded", extra={"endpoint_id": endpoint_id})
        except Exception:
            _log.exception("a turn failed", extra={"endpoint_id": endpoint_id})
        finally:
            self._changed.set()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
