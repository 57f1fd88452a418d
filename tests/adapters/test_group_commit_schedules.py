"""Whatever happens in whatever order: everybody is told the truth, and nobody waits for ever."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.group_commit import GroupCommit, GroupLimits
from application.ports.faults import StorageUnavailable
from tests.adapters.held_batches import Parcel
from tests.fakes import FakeClock

LANES, BATCH, WAITING = 3, 4, 10
QUALITIES = [*["good"] * 6, "bad"]
FAULTS = (ConnectionLost, StorageUnavailable, TransactionConflict, ValueError)

steps = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 6)),
    st.tuples(st.just("go away"), st.integers(0, 50)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("fail"), st.integers(0, 11)),
    st.tuples(st.just("turn"), st.integers(1, 6)),
    st.tuples(st.just("lanes"), st.integers(1, LANES)),
)


@dataclass(slots=True)
class Sent:
    """Under way: a batch, or one of them alone."""

    names: list[str]
    alone: bool
    end: "asyncio.Future[None]"


@dataclass(slots=True)
class World:
    """A database that writes what it is told to when the schedule says so."""

    commits: "GroupCommit[Parcel, str]" = field(init=False)
    clock: FakeClock = field(default_factory=FakeClock)
    under_way: list[Sent] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    callers: "dict[str, asyncio.Task[str]]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        limits = GroupLimits(lanes=LANES, batch=BATCH, waiting=WAITING)
        self.commits = GroupCommit(self.together, self.alone, limits, self.clock)

    async def together(self, parcels: Sequence[Parcel]) -> Sequence[str]:
        names = [parcel.name for parcel in parcels]
        assert 1 <= len(names) <= BATCH
        assert len({parcel.kind for parcel in parcels}) == 1
        self.sent.update(names)
        await self._send(Sent(names, alone=False, end=asyncio.Future()))
        if any(name.startswith("bad") for name in names):
            raise ValueError("one of them is bad")
        return [self._write(name) for name in names]

    async def alone(self, parcel: Parcel) -> str:
        await self._send(Sent([parcel.name], alone=True, end=asyncio.Future()))
        if parcel.name.startswith("bad"):
            raise ValueError(parcel.name)
        return self._write(parcel.name)

    async def _send(self, sent: Sent) -> None:
        self.under_way.append(sent)
        assert len(self.under_way) <= LANES
        await sent.end

    def _write(self, name: str) -> str:
        self.written[name] += 1
        return name

    def ask(self, name: str, kind: str) -> None:
        self.callers[name] = asyncio.create_task(self.commits.write(Parcel(name, kind)))

    def go_away(self, number: int) -> None:
        for caller in list(self.callers.values())[number : number + 1]:
            caller.cancel()

    def fail(self, number: int) -> None:
        self.end(number // len(FAULTS), FAULTS[number % len(FAULTS)]())

    def end(self, which: int, fault: Exception | None = None) -> None:
        if self.under_way:
            sent = self.under_way.pop(which % len(self.under_way))
            if fault is None:
                sent.end.set_result(None)
            else:
                sent.end.set_exception(fault)

    async def take(self, step: tuple[str, int]) -> None:
        self.clock.advance(timedelta(milliseconds=1))
        match step:
            case ("ask", number):
                self.ask(f"{QUALITIES[number]} {len(self.callers)}", f"kind {number // 3}")
            case ("go away", number):
                self.go_away(number)
            case ("end", number):
                self.end(number)
            case ("fail", number):
                self.fail(number)
            case ("lanes", number):
                self.commits._lanes.open = number
            case (_, number):
                for _ in range(number):
                    await asyncio.sleep(0)

    async def finish(self) -> None:
        """From now on everything succeeds."""
        async with asyncio.timeout(10):
            while not all(caller.done() for caller in self.callers.values()):
                self.end(0)
                await asyncio.sleep(0)

    def check(self) -> None:
        assert set(self.sent.values()) <= {1}
        assert set(self.written.values()) <= {1}
        for name, caller in self.callers.items():
            if caller.cancelled():
                continue
            told = caller.exception() or caller.result()
            if told == name:
                assert self.written[name] == 1
            else:
                # Each fault of this world says that nothing was written.
                assert isinstance(told, FAULTS)
                assert self.written[name] == 0


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    """In a loop of its own, in which an exception that nobody fetched is a failure."""
    unseen: list[object] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, said: unseen.append(said))
        await scenario()

    asyncio.run(watched())
    assert unseen == []


@settings(max_examples=300)
@given(st.lists(steps, max_size=80))
def test_everybody_is_told_the_truth_and_nobody_waits_for_ever(
    schedule: list[tuple[str, int]],
) -> None:
    async def scenario() -> None:
        world = World()
        for step in schedule:
            await world.take(step)
        await world.finish()
        world.check()
        # It is as good as new.
        world.ask("one more", "kind 0")
        await world.finish()
        assert world.callers["one more"].result() == "one more"

    run(scenario)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_lane_is_free_again_after_every_end_of_a_batch(busy: bool) -> None:
    async def scenario() -> None:
        world = World()
        for number in range(40):
            world.ask(f"{number}", "kind 0")
            if busy:
                world.ask(f"{number} too", "kind 1")
            await world.take(("turn", 3))
            await world.take(("fail", number % 4))
        await world.finish()
        world.check()

    run(scenario)
