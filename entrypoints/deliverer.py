"""The worker's part that tells merchants: turns of endpoints, many side by side."""

import asyncio
import logging
from typing import Final

from application.deliver_webhooks import DeliverWebhooks
from application.ports.delivery_turns import Turn
from application.ports.faults import StorageUnavailable

_CLAIMED_AT_ONCE: Final = 16
_FOR_FAILING: Final = 0.5
"""The part of the places that endpoints may take at which nothing has succeeded lately: they are
the slow ones, and keep nobody else waiting."""
_TROUBLE_SECONDS: Final = 1.0

_log = logging.getLogger("harbor.webhooks")


class Deliverer:
    """Works until it is stopped, then finishes the turns that it has begun."""

    def __init__(self, deliver: DeliverWebhooks, *, places: int, look_seconds: float) -> None:
        self._deliver = deliver
        self._places = places
        self._look_seconds = look_seconds
        self._healthy: set[asyncio.Task[None]] = set()
        self._failing: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        """Set when there may be more to do, or when it is time to stop."""
        self._stopping = False

    @property
    def at_work(self) -> set[asyncio.Task[None]]:
        return self._healthy | self._failing

    def wake(self) -> None:
        """Something has become due."""
        self._changed.set()

    def stop(self) -> None:
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        while not self._stopping:
            self._changed.clear()
            begun = await self._begin(self._healthy, self._places - len(self.at_work))
            room = int(self._places * _FOR_FAILING) - len(self._failing)
            begun += await self._begin(
                self._failing, min(room, self._places - len(self.at_work)), failing=True
            )
            if not begun:
                await self._rest(self._look_seconds)

    async def _begin(
        self, running: set[asyncio.Task[None]], room: int, *, failing: bool = False
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
            running.add(task)
            task.add_done_callback(running.discard)
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
