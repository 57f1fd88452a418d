"""Records orders in a process of its own: `-m tests.proofs.recorder URL LANES BATCH`.

Reads an Assignment a line from its standard input, carries it out, and answers with a Report.
"""

import asyncio
import json
import logging
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from adapters.sql.database import Database
from adapters.sql.group_commit import GroupLimits
from adapters.sql.lanes import Lanes
from application.ports.idempotency import Record
from tests.adapters.watched_store import WatchedStore
from tests.databases import closing
from tests.examples import a_placement, a_record, a_request

AT_ONCE = 64
BUSY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Record the keys "key `first`" and so on, in an order of its own; in the place of those whose
    numbers `bad_every` divides, records that the database refuses."""

    merchant_id: str
    first: int
    count: int
    seed: int
    bad_every: int | None = None


@dataclass(kw_only=True)
class Report:
    """`orders` is the order that each key was said to have made; `met` and the rest are counts."""

    orders: dict[str, str] = field(default_factory=dict)
    fresh: int = 0
    refused: int = 0
    batches: int = 0
    singly: int = 0
    met: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class SteadyLanes(Lanes):
    """As many as there may be, so that this process's batches overlap each other too."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.open = most

    def batch_ended(self, now: float, *, written: int, waiting: bool) -> None:
        pass


class Recorder:
    def __init__(self, database: Database, lanes: int, batch: int) -> None:
        self._database = database
        self._limits = GroupLimits(lanes=lanes, batch=batch)

    async def carry_out(self, assignment: Assignment) -> Report:
        report = Report()
        store = WatchedStore(self._database, busy_seconds=BUSY_SECONDS, together=self._limits)
        store._commits._lanes = SteadyLanes(self._limits.lanes)  # type: ignore[misc]
        numbers = list(range(assignment.first, assignment.first + assignment.count))
        random.Random(assignment.seed).shuffle(numbers)
        rest = iter(numbers)

        async def keep_recording() -> None:
            for number in rest:
                await self._record(store, a_numbered_record(assignment, number), report)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(keep_recording())
        report.batches, report.singly, report.met = len(store.batches), len(store.alone), store.met
        return report

    async def _record(self, store: WatchedStore, record: Record, report: Report) -> None:
        try:
            standing = await store.record(record)
        except Exception as error:
            if getattr(getattr(error, "orig", None), "sqlstate", None) == "22001":
                report.refused += 1
            else:
                report.faults[f"{type(error).__name__}: {error}"] += 1
            return
        report.fresh += standing.fresh
        report.orders[record.answer.key] = str(standing.answer.resource_id)


def a_numbered_record(assignment: Assignment, number: int) -> Record:
    bad = assignment.bad_every is not None and number % assignment.bad_every == 0
    merchant_id, key = UUID(assignment.merchant_id), f"{'bad' if bad else 'key'} {number}"
    request = a_request(customer_id="x" * 129 if bad else "acme")
    return a_record(merchant_id, key, change=a_placement(merchant_id, key, request=request))


async def main(url: str, lanes: int, batch: int) -> None:
    # That batches are spoiled is meant, and counted.
    logging.disable(logging.WARNING)
    async with closing(Database(url)) as database:
        recorder = Recorder(database, lanes, batch)
        while line := await asyncio.to_thread(sys.stdin.readline):
            report = await recorder.carry_out(Assignment(**json.loads(line)))
            sys.stdout.write(json.dumps(vars(report)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
