"""Stop asking what keeps failing, and try again a little later."""

from typing import Final

from application.ports.clock import Clock

_FAILURES_TO_OPEN: Final = 3
_OPEN_SECONDS: Final = 1.0


class Breaker:
    """Open after three failures in a row; one trial is let through each second after that."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._retry_at = 0.0

    def allows(self) -> bool:
        if self._failures < _FAILURES_TO_OPEN:
            return True
        now = self._clock.monotonic()
        if now < self._retry_at:
            return False
        self._retry_at = now + _OPEN_SECONDS
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self._failures == _FAILURES_TO_OPEN:
            self._retry_at = self._clock.monotonic() + _OPEN_SECONDS
