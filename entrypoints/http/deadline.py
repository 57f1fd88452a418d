"""When a connection's patience ends."""

import asyncio
from collections.abc import Callable


class Deadline:
    """At most one at a time. Setting and clearing it with each request costs nothing: the timer
    that runs is left to run, and looks at its end whether there is something to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ends = 0.0
        self._at = 0.0
        self._then: Callable[[], None] | None = None

    def set(self, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` in `seconds`, unless something else is said before."""
        self._then = then
        self._at = self._loop.time() + seconds
        if self._timer is None or self._at < self._timer_ends:
            self._start()

    def is_for(self, then: Callable[[], None]) -> bool:
        return self._then == then

    def clear(self) -> None:
        self._then = None

    def stop(self) -> None:
        """For good: nothing is left to run."""
        self._then = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ends = self._at
        self._timer = self._loop.call_at(self._at, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._then is None:
            return
        if self._at > self._timer_ends:
            self._start()
            return
        then, self._then = self._then, None
        then()
