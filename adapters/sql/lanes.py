"""How many commits should be under way at the same time."""

from typing import Final

_IDLE: Final = 1.5
_VOTES: Final = 6


class Lanes:
    """One lane makes the largest batches, which are the cheapest, and is enough while requests come
    in for as long as a commit takes. On a slow disk they do not: all who could ask are waiting for
    the lane, and nothing is done until it comes back. Then another lane is worth its price.

    So each time that a batch ends, the time since the last item came in is held against the usual
    time between two items. Several such observations in a row change the number by one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._votes = 0
        self._last_end = 0.0
        self._last_item = 0.0
        self._items = 0
        self.open = 1

    def item_came(self, now: float) -> None:
        self._items += 1
        self._last_item = now

    def batch_ended(self, now: float, *, waiting: bool) -> None:
        """`now` is a monotonic time in seconds; `waiting` says that items wait for a lane."""
        since_last_end = now - self._last_end
        usual = since_last_end / self._items if self._items else since_last_end
        idle = waiting and now - self._last_item > _IDLE * usual
        self._last_end = now
        self._items = 0
        self._vote(1 if idle else -1)

    def _vote(self, vote: int) -> None:
        self._votes += vote
        if abs(self._votes) >= _VOTES:
            self._votes = 0
            self.open = min(max(self.open + vote, 1), self._most)
