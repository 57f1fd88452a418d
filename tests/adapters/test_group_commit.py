"""Who is committed with whom, and what each caller is told."""

import asyncio
import logging

import pytest

from adapters.sql.faults import ConnectionLost, TransactionConflict
from application.ports.faults import StorageUnavailable
from tests.adapters.held_batches import Parcel, Press, ask, settle

pytestmark = pytest.mark.anyio

LOG = "harbor.group_commit"


@pytest.fixture
def press() -> Press:
    return Press()


# Boarding.


async def test_what_finds_a_lane_free_leaves_at_once(press: Press) -> None:
    (only,) = ask(press.commits(), "a")
    await settle()
    assert press.sent == [["a"]]
    press.batches[0].succeed()
    assert await only == "a is written"


async def test_what_comes_in_one_turn_leaves_together(press: Press) -> None:
    callers = ask(press.commits(), "a", "b", "c")
    await settle()
    assert press.sent == [["a", "b", "c"]]
    press.batches[0].succeed()
    assert await asyncio.gather(*callers) == [f"{name} is written" for name in "abc"]


async def test_what_comes_during_a_commit_goes_with_the_next(press: Press) -> None:
    commits = press.commits()
    callers = ask(commits, "a")
    await settle()
    for name in "bcd":
        callers += ask(commits, name)
        await settle()
    assert press.sent == [["a"]]
    press.batches[0].succeed()
    await settle()
    assert press.sent == [["a"], ["b", "c", "d"]]
    assert [caller.done() for caller in callers] == [True, False, False, False]
    press.batches[1].succeed()
    await asyncio.gather(*callers)
    await settle()
    assert press.sent == [["a"], ["b", "c", "d"]]


async def test_the_next_batch_has_left_when_callers_hear_of_theirs(press: Press) -> None:
    """What they do then takes time, for which the database would have nothing to do."""
    commits = press.commits()

    async def sent_when_heard(name: str) -> list[list[str]]:
        await commits.write(Parcel(name))
        return list(press.sent)

    first = [asyncio.create_task(sent_when_heard(name)) for name in "ab"]
    await settle()
    second = ask(commits, "c", "d")
    await settle()
    press.batches[0].succeed()
    assert await asyncio.gather(*first) == [[["a", "b"], ["c", "d"]]] * 2
    press.batches[1].succeed()
    await asyncio.gather(*second)


async def test_a_batch_takes_so_many_and_no_more(press: Press) -> None:
    callers = ask(press.commits(batch=3), *"abcdefg")
    for number in range(3):
        await settle()
        press.batches[number].succeed()
    await asyncio.gather(*callers)
    assert press.sent == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


async def test_those_of_different_kinds_never_share_a_batch_and_none_starves(
    press: Press,
) -> None:
    """One of a rare kind comes first of all that wait, though the usual kind keeps coming."""
    commits = press.commits(batch=2)
    callers = ask(commits, "a")
    await settle()
    callers += ask(commits, "b") + ask(commits, "c", kind="rare") + ask(commits, "d", "e")
    for number in range(4):
        await settle()
        callers += ask(commits, f"late {number}")
        await settle()
        press.batches[number].succeed()
    # Together asserts that they are of one kind.
    assert press.sent[:4] == [["a"], ["b", "d"], ["c"], ["e", "late 0"]]
    await settle()
    while len(press.batches) < 6:
        press.batches[-1].succeed()
        await settle()
    press.batches[-1].succeed()
    await asyncio.gather(*callers)
    assert press.sent[4:] == [["late 1", "late 2"], ["late 3"]]


async def test_one_waits_for_as_many_batches_as_there_are_kinds_before_it(press: Press) -> None:
    commits = press.commits()
    callers = [task for kind in "xyz" for task in ask(commits, f"{kind}1", f"{kind}2", kind=kind)]
    for number in range(3):
        await settle()
        press.batches[number].succeed()
    await asyncio.gather(*callers)
    assert press.sent == [["x1", "x2"], ["y1", "y2"], ["z1", "z2"]]


# Callers that go away.


async def test_who_stops_waiting_before_the_batch_leaves_is_not_written(press: Press) -> None:
    commits = press.commits()
    first, gone, stays = ask(commits, "a")[0], ask(commits, "b")[0], ask(commits, "c")[0]
    await settle()
    press.batches[0].succeed()
    await settle()
    assert press.sent == [["a", "b", "c"]]
    gone, stays = ask(commits, "d")[0], ask(commits, "e")[0]
    await settle()
    gone.cancel()
    last = ask(commits, "f")
    gone_too = ask(commits, "g")[0]
    await settle()
    gone_too.cancel()
    await settle()
    assert press.sent == [["a", "b", "c"], ["d", "e"]]
    press.batches[1].succeed()
    await settle()
    press.batches[2].succeed()
    assert press.sent[2] == ["f"]
    assert gone.cancelled()
    assert gone_too.cancelled()
    assert await first == "a is written"
    assert await stays == "e is written"
    assert await last[0] == "f is written"


async def test_when_all_who_wait_go_away_the_next_one_is_served(press: Press) -> None:
    commits = press.commits()
    first = ask(commits, "a")
    await settle()
    gone = ask(commits, "b", "c")
    await settle()
    for caller in gone:
        caller.cancel()
    press.batches[0].succeed()
    await asyncio.gather(*first)
    await settle()
    assert press.sent == [["a"]]
    next_one = ask(commits, "d")
    await settle()
    assert press.sent == [["a"], ["d"]]
    press.batches[1].succeed()
    await asyncio.gather(*next_one)


@pytest.mark.parametrize("end", ["succeeds", "is lost", "is spoiled"])
async def test_who_stops_waiting_after_the_batch_left_harms_nobody(press: Press, end: str) -> None:
    gone, stays = ask(press.commits(), "a", "b")
    await settle()
    gone.cancel()
    await settle()
    match end:
        case "succeeds":
            press.batches[0].succeed()
            assert await stays == "b is written"
        case "is lost":
            press.batches[0].fail(ConnectionLost())
            with pytest.raises(ConnectionLost):
                await stays
        case _:
            press.batches[0].fail(ValueError())
            assert await stays == "b is written alone"
            assert press.singly == ["a", "b"]
    assert gone.cancelled()


# Faults.


async def test_a_spoiled_batch_is_written_singly_and_only_the_bad_one_fails(
    press: Press, caplog: pytest.LogCaptureFixture
) -> None:
    press.faults["b"] = ValueError("b is bad")
    callers = ask(press.commits(), *"abc")
    await settle()
    with caplog.at_level(logging.WARNING, LOG):
        press.batches[0].fail(ValueError("something is bad"))
        ended = await asyncio.gather(*callers, return_exceptions=True)
    assert ended == ["a is written alone", press.faults["b"], "c is written alone"]
    assert press.singly == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == [
        "a batch was written singly: ValueError"
    ]


async def test_the_next_batch_waits_until_the_spoiled_one_was_written_singly(
    press: Press,
) -> None:
    """They would wait on the same connections."""
    commits = press.commits()
    callers = ask(commits, *"abc")
    await settle()
    callers += ask(commits, *"de")
    press.batches[0].fail(ValueError())
    await settle()
    assert press.sent == [["a", "b", "c"], ["d", "e"]]
    press.batches[1].succeed()
    await asyncio.gather(*callers)


@pytest.mark.parametrize("fault", [ConnectionLost("gone"), StorageUnavailable("full")])
async def test_a_fault_that_all_share_reaches_each_as_one_of_its_own(
    press: Press, fault: Exception
) -> None:
    callers = ask(press.commits(), *"abc")
    await settle()
    press.batches[0].fail(fault)
    told = await asyncio.gather(*callers, return_exceptions=True)
    assert len({id(each) for each in told} | {id(fault)}) == 4
    for each in told:
        assert isinstance(each, Exception)
        assert (type(each), each.args, each.__cause__) == (type(fault), fault.args, fault)
    assert press.singly == []


async def test_what_failed_alone_still_says_why(press: Press) -> None:
    cause = OSError("what the driver said")
    bad = press.faults["a"] = StorageUnavailable("cannot")
    bad.__cause__ = cause
    (caller,) = ask(press.commits(), "a")
    await settle()
    press.batches[0].fail(ValueError())
    (told,) = await asyncio.gather(caller, return_exceptions=True)
    assert told is bad
    assert bad.__cause__ is cause


@pytest.mark.parametrize("fault", [ConnectionLost, StorageUnavailable, TransactionConflict])
async def test_when_the_database_fails_one_after_the_other_the_rest_is_told_so_at_once(
    press: Press, fault: type[Exception]
) -> None:
    """Else each would wait for its own time, one after the other."""
    press.faults = {name: fault() for name in "bcdefg"}
    callers = ask(press.commits(), *"abcdefg")
    await settle()
    press.batches[0].fail(TransactionConflict())
    told = await asyncio.gather(*callers, return_exceptions=True)
    assert told[0] == "a is written alone"
    assert [type(each) for each in told[1:]] == [fault] * 6
    assert len({id(each) for each in told}) == 7
    assert press.singly == ["a", "b", "c"]


async def test_one_that_meets_a_conflict_alone_does_not_take_the_others_with_it(
    press: Press,
) -> None:
    press.faults = {"b": TransactionConflict(), "d": TransactionConflict()}
    callers = ask(press.commits(), *"abcde")
    await settle()
    press.batches[0].fail(TransactionConflict())
    told = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(each, TransactionConflict) for each in told] == [
        *(False, True, False, True, False)
    ]


async def test_nobody_waits_for_ever_when_a_batch_is_canceled(press: Press) -> None:
    """What was sent may have been done: each finds out."""
    commits = press.commits()
    callers = ask(commits, "a", "b")
    await settle()
    press.batches[0].end.cancel()
    async with asyncio.timeout(5):
        told = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(each) for each in told] == [ConnectionLost] * 2
    after = ask(commits, "c")
    await settle()
    press.batches[1].succeed()
    assert await asyncio.gather(*after) == ["c is written"]


# The queue.


async def test_a_full_queue_refuses_at_once_and_recovers(press: Press) -> None:
    commits = press.commits(waiting=3)
    callers = ask(commits, "a")
    await settle()
    callers += ask(commits, *"bcd")
    refused = ask(commits, *"ef")
    await asyncio.wait(refused, timeout=5)
    told = await asyncio.gather(*refused, return_exceptions=True)
    assert [type(each) for each in told] == [StorageUnavailable] * 2
    assert not any(caller.done() for caller in callers)
    press.batches[0].succeed()
    await settle()
    callers += ask(commits, *"efg")
    await settle()
    assert press.sent == [["a"], ["b", "c", "d"]]
    press.batches[1].succeed()
    await settle()
    press.batches[2].succeed()
    await asyncio.gather(*callers)
    assert press.sent == [["a"], ["b", "c", "d"], ["e", "f", "g"]]
    assert press.singly == []


async def test_further_lanes_carry_batches_at_the_same_time(press: Press) -> None:
    commits = press.commits(lanes=3, batch=2)
    # How they open is a test of its own.
    commits._lanes.open = 3
    callers = ask(commits, *"abcdefgh")
    await settle()
    assert press.sent == [["a", "b"], ["c", "d"], ["e", "f"]]
    press.batches[1].succeed()
    await settle()
    assert press.sent[3:] == [["g", "h"]]
    for batch in (press.batches[0], *press.batches[2:]):
        batch.succeed()
    await asyncio.gather(*callers)


async def test_lanes_that_close_leave_nobody_behind(press: Press) -> None:
    commits = press.commits(lanes=3, batch=1)
    commits._lanes.open = 3
    callers = ask(commits, *"abcdef")
    await settle()
    commits._lanes.open = 1
    for number in range(3):
        press.batches[number].succeed()
        await settle()
    # Three were under way; the next left only when the last of them was back.
    assert press.sent == [["a"], ["b"], ["c"], ["d"]]
    for number in range(3, 6):
        press.batches[number].succeed()
        await settle()
    await asyncio.gather(*callers)
