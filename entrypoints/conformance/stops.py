"""Signals, which end what a run is at and leave it to say what it has found."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")


class Stopped(Exception):
    """A signal came before the work was done."""


class Stops:
    """Made by `heeding_signals`."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()

    def stop(self) -> None:
        self._asked.set()

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What the work returns. Raises Stopped if a signal came meanwhile, or between the work
        before and this; what was begun is canceled and has ended then."""
        working = asyncio.create_task(work)
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait((working, asked), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            self._asked.clear()
            raise Stopped
        finally:
            asked.cancel()
            working.cancel()
            await asyncio.wait((working,))


@contextmanager
def heeding_signals() -> Iterator[Stops]:
    """Until the end of the block Ctrl-C, SIGTERM and SIGHUP stop what it runs, and do nothing
    else."""
    loop, stops = asyncio.get_running_loop(), Stops()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # nohup has it ignored, so that it goes on when the terminal is closed.
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stops.stop)
    try:
        yield stops
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
