"""How many commits are under way at once: one while requests come in, more when all wait and more
gets done by them."""

from itertools import pairwise

import pytest

from adapters.sql.lanes import Lanes

COMMIT_SECONDS = 0.005
ITEMS = 8


class Course:
    """Commits in made-up time. On `far` ones the time passes side by side, on others one after
    the other."""

    def __init__(self, most: int, *, far: bool = True) -> None:
        self.lanes = Lanes(most)
        self.now = 1_000.0
        self._far = far

    def commit(self, *arrivals: float, waiting: bool = True) -> int:
        """One during which items came at `arrivals`, parts of its time; the lanes open after."""
        seconds = COMMIT_SECONDS / (self.lanes.open if self._far else 1)
        for arrival in arrivals:
            self.lanes.item_came(self.now + arrival * seconds)
        self.now += seconds
        self.lanes.batch_ended(self.now, written=ITEMS, waiting=waiting)
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


def test_further_lanes_open_when_all_wait_and_more_gets_done_by_them() -> None:
    course = Course(6)
    opened = [course.starved() for _ in range(1_000)]
    assert opened[0] == 1
    assert max(opened) == 6
    assert all(abs(later - earlier) <= 1 for earlier, later in pairwise(opened))
    assert sum(course.starved() for _ in range(10_000)) > 5.5 * 10_000


def test_commits_that_stand_in_line_for_one_disk_keep_one_lane() -> None:
    course = Course(6, far=False)
    opened = [course.starved() for _ in range(20_000)]
    assert set(opened) == {1, 2}
    assert opened.count(2) < 0.05 * len(opened)


def test_lanes_that_no_longer_help_close() -> None:
    course = Course(6)
    for _ in range(1_000):
        course.starved()
    course._far = False
    for _ in range(20_000):
        course.starved()
    assert sum(course.starved() for _ in range(10_000)) < 1.2 * 10_000


def test_one_strange_commit_opens_nothing() -> None:
    course = Course(6)
    for _ in range(100):
        assert [course.starved(), *(course.busy() for _ in range(9))] == [1] * 10


def test_they_close_again_when_items_come_in_all_the_time() -> None:
    course = Course(6)
    for _ in range(1_000):
        course.starved()
    closing = [course.busy() for _ in range(400)]
    assert closing[-1] == 1
    assert all(abs(later - earlier) <= 1 for earlier, later in pairwise(closing))


@pytest.mark.parametrize("most", [1, 2, 6])
def test_there_are_never_more_than_was_said(most: int) -> None:
    course = Course(most)
    opened = [course.starved() for _ in range(20_000)]
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
    course = Course(6)
    for _ in range(100_000):
        course.starved()
    assert course.lanes.open >= 5
    turns = next(turn for turn in range(1_000) if course.busy() == 1)
    assert turns < 400
