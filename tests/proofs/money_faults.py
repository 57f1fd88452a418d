"""Kills, freezes and kills of the gateway at random moments, and what stood where when they hit."""

import asyncio
import random
import sqlite3
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from tests.journeys.server import Harbor
from tests.proofs.money_marks import Mark, MarkReader, Step
from tests.proofs.money_processes import Gateway, Worker, WorkerOptions

_LANES: Final = 2
"""Workers side by side."""
_WORK_SECONDS: Final = (0.1, 1.2)
_LOOKS: Final = 1_000
_LOOK_SECONDS: Final = 0.003
_AFTER_LOOK_SECONDS: Final = 0.12
_AIMED: Final = 0.5
"""The part of the faults that wait for an operation at a certain step and hit at once, so that
rare steps are hit too; the others hit whatever is under way."""
_AIMS: Final = (Step.TAKING, Step.CLAIMED, Step.CALLING, Step.CALLED, Step.RECORDING)
_BEYOND_LEASE_SECONDS: Final = (0.4, 2.0)
_VERY_LONG_SECONDS: Final = (5.5, 6.5)
"""Beyond the time for which PostgreSQL lets a transaction stand idle."""
_VERY_LONG: Final = 0.15


class Fault(StrEnum):
    KILL = "kill -9"
    FREEZE = "freeze"


class Place(StrEnum):
    """Where a fault hit an operation whose claim still held. A call is a request, or a question by
    reference; whether it was done, the gateway's books say just after the fault. What was done on
    an earlier attempt counts as done. Before and after a call and in the claim the harness
    lengthens what would hardly last, by some random milliseconds."""

    CLAIM = "in the claim's transaction"
    BEFORE_CALL = "claimed, before the call"
    CALL = "in the call, nothing done"
    AFTER_CHARGE = "in the call, done by the gateway"
    BEFORE_RECORD = "answered, before the record"
    RECORD = "in the record's transaction"


@dataclass(slots=True)
class Hits:
    faults: Counter[Fault] = field(default_factory=Counter)
    places: Counter[tuple[Fault, Place]] = field(default_factory=Counter)
    empty: Counter[Fault] = field(default_factory=Counter)
    gateway_kills: int = 0
    last_at: float = field(default_factory=time.monotonic)
    """When the last fault ended; what was killed has yet to start again."""
    overtaken: int = 0
    """Operations of a frozen worker that another one had claimed before it was thawed."""

    def at(self, place: Place) -> int:
        return sum(self.places[fault, place] for fault in Fault)


_PLACES: Final = {
    Step.TAKING: Place.CLAIM,
    Step.CLAIMED: Place.BEFORE_CALL,
    Step.CALLED: Place.BEFORE_RECORD,
    Step.RECORDING: Place.RECORD,
}


def done_by_the_gateway(ledger: Path, references: Sequence[str]) -> set[str]:
    """Those of the references that have an effect in its books at this moment."""
    if not references or not ledger.exists():
        return set()
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as books:
        query = "SELECT 1 FROM answers WHERE reference = ? AND effect IS NOT NULL LIMIT 1"
        return {each for each in references if books.execute(query, (each,)).fetchone()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    kills: int
    freezes: int
    gateway_kills: int
    lease: float
    seed: str

    def actions(self) -> deque[Fault]:
        """In a random order."""
        actions = [Fault.KILL] * self.kills + [Fault.FREEZE] * self.freezes
        random.Random(self.seed).shuffle(actions)
        return deque(actions)


class Faults:
    """Two workers, each of which works for a while and is then hit, until the plan is carried out.
    `tell` hears after each fault how many there have been."""

    def __init__(
        self,
        harbor: Harbor,
        gateway_port: int,
        plan: FaultPlan,
        options: WorkerOptions,
        tell: Callable[[int], None],
    ) -> None:
        self._harbor = harbor
        self._port = gateway_port
        self._plan = plan
        self._options = options
        self._tell = tell
        self._actions = plan.actions()
        self._count = len(self._actions)
        self._starts = 0
        self.hits = Hits()
        self.marks: list[MarkReader] = []
        self.complaints: list[str] = []
        self._workers: dict[int, Worker] = {}
        self._gateway = Gateway(harbor, gateway_port)

    async def start(self) -> None:
        await asyncio.to_thread(self._gateway.await_started)
        async with asyncio.TaskGroup() as group:
            for lane in range(_LANES):
                group.create_task(self._start(lane))

    async def run(self) -> None:
        self.hits.last_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for lane in range(_LANES):
                group.create_task(self._lane(lane))

    def end(self) -> None:
        """Kill all that is left. Its complaints are kept."""
        for process in (*self._workers.values(), self._gateway):
            process.kill()
            self.complaints += process.complaints()
        self._workers.clear()
        for marks in self.marks:
            marks.look()

    async def _start(self, lane: int) -> None:
        self._starts += 1
        worker = Worker(self._harbor, f"worker-{lane}-{self._starts}", self._options)
        self._workers[lane] = worker
        self.marks.append(worker.marks)
        await asyncio.to_thread(worker.await_started)

    async def _lane(self, lane: int) -> None:
        chance = random.Random(f"{self._plan.seed}-{lane}")
        while self._actions:
            action = self._actions.popleft()
            worker = self._workers[lane]
            await asyncio.sleep(chance.uniform(*_WORK_SECONDS))
            if chance.random() < _AIMED:
                await self._until_at(worker, frozenset({chance.choice(_AIMS)}))
            else:
                await self._until_at(worker, frozenset(_AIMS))
                await asyncio.sleep(chance.uniform(0, _AFTER_LOOK_SECONDS))
            if action is Fault.KILL:
                await self._kill(lane, worker)
            else:
                await self._freeze(worker, chance)
            await self._kill_gateway_in_time()

    async def _kill(self, lane: int, worker: Worker) -> None:
        await asyncio.to_thread(worker.kill)
        self.hits.last_at = time.monotonic()
        await self._note(Fault.KILL, worker)
        self.complaints += worker.complaints()
        await self._start(lane)

    async def _freeze(self, worker: Worker, chance: random.Random) -> None:
        await asyncio.to_thread(worker.freeze)
        held = await self._note(Fault.FREEZE, worker)
        if chance.random() < _VERY_LONG:
            seconds = chance.uniform(*_VERY_LONG_SECONDS)
        else:
            seconds = self._plan.lease + chance.uniform(*_BEYOND_LEASE_SECONDS)
        await asyncio.sleep(seconds)
        self.hits.overtaken += self._overtaken(held)
        worker.thaw()
        self.hits.last_at = time.monotonic()

    def _overtaken(self, held: Sequence[Mark]) -> int:
        claimed: set[tuple[str, int]] = set()
        for each in self.marks:
            each.look()
            claimed |= each.claims.keys()
        return sum((mark.operation, mark.fence + 1) in claimed for mark in held)

    async def _note(self, fault: Fault, worker: Worker) -> Sequence[Mark]:
        """Where the operations stood that the worker had in its hands."""
        worker.marks.look()
        held = worker.marks.in_flight(self._plan.lease)
        in_calls = [mark.operation for mark in held if mark.step is Step.CALLING]
        ledger = self._harbor.data / "gateway.db"
        done = await asyncio.to_thread(done_by_the_gateway, ledger, in_calls)
        self.hits.faults[fault] += 1
        self._tell(self.hits.faults.total())
        self.hits.empty[fault] += not held
        for mark in held:
            in_call = Place.AFTER_CHARGE if mark.operation in done else Place.CALL
            self.hits.places[fault, _PLACES.get(mark.step, in_call)] += 1
        return held

    async def _until_at(self, worker: Worker, steps: frozenset[Step]) -> None:
        """Until an operation stands at one of these; not for ever, for the worker may be idle."""
        for _ in range(_LOOKS):
            worker.marks.look()
            if any(mark.step in steps for mark in worker.marks.in_flight(self._plan.lease)):
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _kill_gateway_in_time(self) -> None:
        """So that its kills are spread over those of the workers."""
        share = self.hits.faults.total() / self._count
        due = min(self._plan.gateway_kills, int(share * (self._plan.gateway_kills + 1)))
        if self.hits.gateway_kills < due:
            self.hits.gateway_kills += 1
            await asyncio.to_thread(self._gateway.kill)
            self.hits.last_at = time.monotonic()
            self.complaints += self._gateway.complaints()
            self._gateway = Gateway(self._harbor, self._port)
            await asyncio.to_thread(self._gateway.await_started)
