"""When a payment may have been created that was asked for at a certain moment. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from adapters.stripe.wire import Fields

_CLOCKS_APART: Final = timedelta(minutes=5)
"""By how much our clock may run ahead of Stripe's, which dates what is listed."""
_KEY_LASTS: Final = timedelta(hours=24)

_BEFORE: Final = (timedelta(seconds=10), timedelta(minutes=2), _CLOCKS_APART)
_AFTER: Final = (timedelta(seconds=10), timedelta(minutes=2), timedelta(minutes=15), _KEY_LASTS)


def whole_window(asked_at: datetime) -> Fields:
    return _created(asked_at - _BEFORE[-1], asked_at + _AFTER[-1])


def windows(asked_at: datetime) -> Iterator[Fields]:
    """The same in parts, the likeliest first: nearly always it was created within seconds, and
    what an account does in a minute may fill more pages than there is time for."""
    yield _created(asked_at - _BEFORE[0], asked_at + _AFTER[0])
    after = [_created(asked_at + start, asked_at + end) for start, end in pairwise(_AFTER)]
    before = [_created(asked_at - start, asked_at - end) for end, start in pairwise(_BEFORE)]
    for later, earlier in zip(after, before, strict=False):
        yield later
        yield earlier
    yield from after[len(before) :]


def _created(start: datetime, end: datetime) -> Fields:
    """Without its end, so that no second is left out between two windows."""
    return (("created[gte]", seconds(start)), ("created[lt]", seconds(end)))


def seconds(moment: datetime) -> str:
    """As Stripe counts time, which is whole seconds."""
    return str(int(moment.timestamp()))
