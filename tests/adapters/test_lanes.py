"""How many commits are under way at once: one while requests come in, more when all wait."""

from itertools import pairwise

import pytest

from adapters.sql.lanes import Lanes

COMMIT_SECONDS = 0.005


class Course:
    """Commits one after the other, in made-up time."""

    def __init__(self, most: int) -> None:
        self.lanes = Lanes(most)
        self.now = 1_000.0

    def commit(self, *arrivals: float, waiting: bool = True) -> int:
        """One during which items came at `arrivals`, parts of its time; the lanes open after."""
        for arrival in arrivals:
            self.lanes.item_came(self.now + arrival * COMMIT_SECONDS)
        self.now += COMMIT_SECONDS
        self.lanes.batch_ended(self.now, waiting=waiting)
        return self.lanes.open

    def busy(self) -> int:
        """Items come all the time."""
        return self.commit(*(number / 16 for number in range(16)))

    def starved(self) -> int:
        """Those that were answered ask again at once, and then all wait for the lane."""
        return self.commit(*(number / 80 for number in range(8)))


def test_one_lane_is_enough_while_items_come_in_all_the_time() -> None:
    course = Course(6)
    assert {course.busy() for _ in range(1_000)} == {1}


def test_further_lanes_open_when_all_wait_and_nothing_comes() -> None:
    course = Course(6)
    opened = [course.starved() for _ in range(200)]
    assert opened[0] == 1
    assert opened[-1] == 6
    assert all(later - earlier in (0, 1) for earlier, later in pairwise(opened))


def test_one_strange_commit_opens_nothing() -> None:
    course = Course(6)
    for _ in range(100):
        assert [course.starved(), *(course.busy() for _ in range(2))] == [1, 1, 1]


def test_they_close_again_when_items_come_in_all_the_time() -> None:
    course = Course(6)
    for _ in range(200):
        course.starved()
    closing = [course.busy() for _ in range(200)]
    assert closing[-1] == 1
    assert all(earlier - later in (0, 1) for earlier, later in pairwise(closing))


@pytest.mark.parametrize("most", [1, 2, 6, 100])
def test_there_are_never_more_than_was_said(most: int) -> None:
    course = Course(most)
    opened = [course.starved() for _ in range(2_000)]
    assert max(opened) == most
    assert min(opened) == 1


def test_one_connection_that_asks_again_and_again_keeps_one_lane() -> None:
    course = Course(6)
    opened = {course.commit(0.0, waiting=False) for _ in range(1_000)}
    opened |= {course.commit(waiting=False) for _ in range(1_000)}
    assert opened == {1}


def test_a_long_silence_is_no_reason_for_a_lane() -> None:
    course = Course(6)
    for _ in range(1_000):
        course.now += 60
        assert course.commit(0.0, waiting=False) == 1


def test_closing_after_years_takes_no_longer_than_opening() -> None:
    """Votes do not pile up."""
    course = Course(6)
    for _ in range(10_000):
        course.starved()
    assert course.lanes.open == 6
    turns = next(turn for turn in range(1_000) if course.busy() == 1)
    assert turns < 100
