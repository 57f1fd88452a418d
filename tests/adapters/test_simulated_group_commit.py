"""What arrives while a commit is under way is committed together by the next one."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from adapters.simulated.group_commit import GroupCommit, NotCommitted, TooManyWait

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class Press:
    """Prints each batch when it is let go."""

    sent: list[list[int]] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def together(self, items: Sequence[int]) -> Sequence[str]:
        self.sent.append(list(items))
        await self.free.wait()
        if self.fails:
            raise OSError("out of paper")
        return [f"page {item}" for item in items]

    def commits(self, *, batch: int = 100, waiting: int = 100) -> GroupCommit[int, str]:
        return GroupCommit(self.together, batch=batch, waiting=waiting)


def ask(commits: GroupCommit[int, str], *items: int) -> "list[asyncio.Task[str]]":
    return [asyncio.create_task(commits.commit(item)) for item in items]


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_those_that_come_meanwhile_leave_together_and_in_order() -> None:
    press = Press()
    commits = press.commits(batch=3)
    first = ask(commits, 1)
    await settle()
    rest = ask(commits, 2, 3, 4, 5)
    await settle()
    assert press.sent == [[1]]
    press.free.set()
    assert await asyncio.gather(*first, *rest) == [f"page {item}" for item in range(1, 6)]
    assert press.sent == [[1], [2, 3, 4], [5]]


async def test_a_batch_that_fails_is_told_to_each_and_the_next_one_leaves() -> None:
    press = Press(fails=True)
    commits = press.commits()
    asked = ask(commits, 1, 2)
    await settle()
    press.free.set()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(each) for each in told] == [NotCommitted] * 2
    assert told[0] is not told[1]
    press.fails = False
    assert await commits.commit(3) == "page 3"


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    press = Press()
    commits = press.commits()
    leaving, staying = ask(commits, 1, 2)
    await settle()
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    press.free.set()
    assert await staying == "page 2"


async def test_what_is_too_much_is_refused_at_once() -> None:
    press = Press()
    commits = press.commits(waiting=2)
    under_way = ask(commits, 1)
    await settle()
    waiting = ask(commits, 2, 3)
    await settle()
    with pytest.raises(TooManyWait):
        await commits.commit(4)
    press.free.set()
    await asyncio.gather(*under_way, *waiting)
    assert await commits.commit(5) == "page 5"


async def test_draining_waits_for_all_of_it() -> None:
    press = Press()
    commits = press.commits(batch=1)
    asked = ask(commits, 1, 2, 3)
    await settle()
    draining = asyncio.create_task(commits.drain())
    await settle()
    assert not draining.done()
    press.free.set()
    await draining
    assert press.sent == [[1], [2], [3]]
    await asyncio.gather(*asked)
