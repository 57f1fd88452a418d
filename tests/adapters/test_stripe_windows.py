"""The windows in which a payment is looked for, and the pauses between attempts at a page."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe.client import LONGEST_PAUSE, longer
from adapters.stripe.gateway import PAUSES
from adapters.stripe.windows import whole_window, windows
from tests.fakes import NOW

moments = st.integers(0, 10_000).map(lambda days: NOW - timedelta(days=days, seconds=days / 7))


def bounds(window: tuple[tuple[str, str], ...]) -> tuple[int, int]:
    assert [name for name, _ in window] == ["created[gte]", "created[lt]"]
    (_, start), (_, end) = window
    return int(start), int(end)


@given(moments)
def test_the_windows_leave_out_no_second_and_have_none_twice(asked_at: datetime) -> None:
    parts = sorted(bounds(window) for window in windows(asked_at))
    assert all(start < end for start, end in parts)
    ends = [end for _, end in parts]
    starts = [start for start, _ in parts]
    assert starts[1:] == ends[:-1]
    assert (starts[0], ends[-1]) == bounds(whole_window(asked_at))


def test_the_windows_widen_from_the_moment_that_was_asked_for() -> None:
    now = int(NOW.timestamp())
    relative = [(start - now, end - now) for start, end in map(bounds, windows(NOW))]
    assert relative == [
        (-10, 10),
        (10, 120),
        (-120, -10),
        (120, 900),
        (-300, -120),
        (900, 86_400),
    ]


@pytest.mark.parametrize(
    ("asked_for", "seconds"), [(None, 4), (0, 4), (3, 4), (5, 5), (60, 60), (86_400, 60)]
)
def test_stripe_is_left_alone_for_as_long_as_it_asks_for_within_reason(
    asked_for: int | None, seconds: int
) -> None:
    wish = None if asked_for is None else timedelta(seconds=asked_for)
    assert longer(timedelta(seconds=4), wish) == timedelta(seconds=seconds)


def test_the_pauses_grow() -> None:
    assert list(PAUSES) == sorted(set(PAUSES))
    assert PAUSES[-1] <= LONGEST_PAUSE
