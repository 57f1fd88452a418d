"""How many commits should be under way at the same time."""

from typing import Final

_BATCHES: Final = 32
_STARVED: Final = 0.2
_BUSY: Final = 0.1
_WORTH: Final = 1.05
_LONGEST_PATIENCE: Final = 64


class Lanes:
    """One lane makes the largest batches, which are the cheapest, and is enough while requests come
    in for as long as a commit takes. Where a commit takes long they do not: all who could ask are
    waiting for the lane, and nothing is done until it comes back.

    Another lane helps then if commits pass the time side by side, as with a database that is far
    away, and harms if they stand in line for one disk. Which it is cannot be known, so it is
    tried: once in so many batches a lane more or one less, which stays if it is worth it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.open = 1
        self._last_item = 0.0
        self._last_end = 0.0
        self._begin(0.0)
        self._tried = 0
        """The change of lanes that is on trial."""
        self._rate_before = 0.0
        self._next_try = 1
        self._patience = self._last_patience = 1
        """In periods of _BATCHES; it doubles with each trial that was not worth it."""

    def item_came(self, now: float) -> None:
        self._last_item = now

    def batch_ended(self, now: float, *, written: int, waiting: bool) -> None:
        """`now` is a monotonic time in seconds; `written` counts the batch's items; `waiting` says
        that others wait for a lane."""
        self._idle += now - max(self._last_item, self._last_end)
        self._last_end = now
        self._batches += 1
        self._written += written
        self._waited += waiting
        if self._batches == _BATCHES:
            self._end(now)

    def _begin(self, now: float) -> None:
        self._began = now
        self._batches = self._written = self._waited = 0
        self._idle = 0.0

    def _end(self, now: float) -> None:
        seconds = max(now - self._began, 1e-9)
        idle, rate = self._idle / seconds, self._written / seconds
        waited = self._waited > _BATCHES // 2
        self._begin(now)
        if self._tried:
            self._judge(rate)
        elif waited and idle > _STARVED:
            self._try(rate)
        elif not waited or idle < _BUSY:
            self._change(-1)

    def _try(self, rate: float) -> None:
        """One more and one less in turn."""
        self._patience -= 1
        if self._patience > 0:
            return
        before = self.open
        self._change(self._next_try)
        self._next_try = -self._next_try
        self._tried = self.open - before
        self._rate_before = rate

    def _judge(self, rate: float) -> None:
        """In doubt for fewer lanes."""
        more = self._tried > 0
        worth = rate > (_WORTH * self._rate_before if more else self._rate_before / _WORTH)
        if not worth:
            self._change(-self._tried)
        if worth and more:
            self._next_try = 1
        patience = 1 if worth else min(2 * self._last_patience, _LONGEST_PATIENCE)
        self._patience = self._last_patience = patience
        self._tried = 0

    def _change(self, by: int) -> None:
        self.open = min(max(self.open + by, 1), self._most)
