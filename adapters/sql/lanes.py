"""How many commits should be under way at the same time."""

from typing import Final

_IDLE: Final = 0.35
_BUSY: Final = 0.15
_VOTES: Final = 4


class Lanes:
    """One lane makes the largest batches, which are the cheapest, and is enough while requests come
    in for as long as a commit takes. On a slow disk they do not: all who could ask are waiting for
    the lane, and nothing is done until it comes back. Then another lane is worth its price.

    So each time that a batch ends, it is seen for which part of the time since the last end nothing
    had come in any more. Several such observations change the number by one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._votes = 0
        self._last_end = 0.0
        self._last_item = 0.0
        self.open = 1

    def item_came(self, now: float) -> None:
        self._last_item = now

    def batch_ended(self, now: float, *, waiting: bool) -> None:
        """`now` is a monotonic time in seconds; `waiting` says that items wait for a lane."""
        idle = (now - self._last_item) / (now - self._last_end) if now > self._last_end else 0.0
        self._last_end = now
        if waiting and idle > _IDLE:
            self._vote(1)
        elif not waiting or idle < _BUSY:
            self._vote(-1)

    def _vote(self, vote: int) -> None:
        self._votes += vote
        if abs(self._votes) >= _VOTES:
            self._votes = 0
            self.open = min(max(self.open + vote, 1), self._most)
