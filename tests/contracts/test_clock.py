"""What `application/ports/clock.py` promises."""

from datetime import UTC, datetime, timedelta

import pytest

from adapters.system import SystemClock
from application.ports.clock import Clock
from tests.fakes import FakeClock


@pytest.fixture(params=[SystemClock, FakeClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_the_time_of_day_is_aware_and_in_utc(clock: Clock) -> None:
    assert clock.now().tzinfo is UTC


def test_the_machines_time_of_day_is_now() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)


def test_monotonic_time_never_goes_back(clock: Clock) -> None:
    moments = [clock.monotonic() for _ in range(1000)]
    assert moments == sorted(moments)


def test_the_fake_stands_still_until_it_is_told_to_go_on() -> None:
    clock = FakeClock()
    now, monotonic = clock.now(), clock.monotonic()
    assert (clock.now(), clock.monotonic()) == (now, monotonic)
    clock.advance(timedelta(seconds=1.5))
    assert (clock.now() - now, clock.monotonic() - monotonic) == (timedelta(seconds=1.5), 1.5)
