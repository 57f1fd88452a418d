"""The worker: what has to be done without being asked."""

import asyncio
import logging
import signal
from typing import Final

from application.ports.faults import StorageUnavailable
from entrypoints.container import Container, shut_down

CLEAN_EVERY_SECONDS: Final = 300.0

_log = logging.getLogger("harbor.worker")


class Worker:
    """Works until it is stopped, then finishes what it has begun."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        _log.info("worker started")
        while not self._stopping.is_set():
            await self._clean()
            await self._rest(CLEAN_EVERY_SECONDS)
        _log.info("worker stopped")

    def stop(self) -> None:
        self._stopping.set()

    async def _clean(self) -> None:
        try:
            cleared = await self._container.drop_expired_answers()()
        except StorageUnavailable:
            _log.warning("the database cannot be reached; trying again later")
        except Exception:
            # One failure must not end the worker: it is noted, and the next round tries again.
            _log.exception("cleaning failed")
        else:
            if cleared:
                _log.info("expired answers cleared", extra={"count": cleared})

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


async def run_worker_process(container: Container) -> None:
    """The worker alone, until SIGINT or SIGTERM."""
    worker = Worker(container)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, worker.stop)
    try:
        if container.settings().is_embedded:
            await container.migrate()
        await worker.run()
    finally:
        await shut_down(container)
