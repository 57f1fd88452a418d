"""Several processes write the same keys at once, in batches: no deadlock, one order for each."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

import pytest
from sqlalchemy import func, select, text

from adapters.sql.database import Database
from adapters.sql.faults import TransactionConflict
from adapters.sql.tables import orders
from tests.databases import closing, each, saved
from tests.examples import ids
from tests.proofs.conftest import Say
from tests.proofs.recorder import Assignment, Report
from tests.support.server import CHECKOUT

pytestmark = pytest.mark.anyio

RECORDERS = [(1, 128), (4, 16), (3, 64)]
"""Lanes, and how many orders a batch may have."""
KEYS_A_ROUND = 250
BAD_EVERY = 1_000
LONGEST_LINE = 10_000_000
DEADLOCKS = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")


@asynccontextmanager
async def recorders(url: str) -> AsyncIterator[Sequence[Process]]:
    """Processes that record; they have ended when the block has."""
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.proofs.recorder", url, str(lanes), str(batch)),
            cwd=CHECKOUT,
            stdin=PIPE,
            stdout=PIPE,
            limit=LONGEST_LINE,
        )
        for lanes, batch in RECORDERS
    ]
    try:
        yield started
    finally:
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        for process in started:
            await process.wait()


async def ask(process: Process, assignment: Assignment) -> Report:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asdict(assignment)).encode() + b"\n")
    told = json.loads(await process.stdout.readline())
    return Report(**(told | {name: Counter(told[name]) for name in ("met", "faults")}))


async def deadlocks(database: Database) -> int:
    async with database.statement() as connection:
        return int(await connection.scalar(DEADLOCKS) or 0)


async def test_processes_that_write_the_same_keys_at_once_never_deadlock(
    postgresql_url: str, postgresql_database: Database, full: bool, say: Say
) -> None:
    rounds = 400 if full else 12
    merchant_id = ids.new()
    before = await deadlocks(postgresql_database)
    met: Counter[str] = Counter()
    order_of: dict[str, str] = {}
    reports: list[Report] = []
    started = time.perf_counter()
    async with recorders(postgresql_url) as processes:
        for number in range(rounds):
            assignments = [
                Assignment(
                    merchant_id=str(merchant_id),
                    first=number * KEYS_A_ROUND + 1,
                    count=KEYS_A_ROUND,
                    seed=number * len(RECORDERS) + which,
                    # The first process now and then spoils a batch.
                    bad_every=BAD_EVERY if which == 0 else None,
                )
                for which in range(len(RECORDERS))
            ]
            told = await asyncio.gather(*map(ask, processes, assignments))
            for report in told:
                assert report.faults == {}
                for key, order_id in report.orders.items():
                    assert order_of.setdefault(key, order_id) == order_id
                met += report.met
                report.orders.clear()
            assert sum(report.fresh for report in told) == KEYS_A_ROUND
            reports += told
            if (number + 1) % 80 == 0:
                say(f"{len(order_of)} orders after {time.perf_counter() - started:.0f} s")
    seconds = time.perf_counter() - started
    keys = rounds * KEYS_A_ROUND
    assert await deadlocks(postgresql_database) == before
    assert len(order_of) == len(set(order_of.values())) == keys
    assert await saved(postgresql_database, merchant_id) == each(keys)
    assert await _distinct_keys(postgresql_database) == keys
    # Not in vain: keys were found held, claimed a moment before, and claimed long ago.
    for kind in ("BUSY", "TAKEN", "ANSWERED"):
        assert met[kind] > 0, met
    singly, refused = (
        sum(getattr(report, name) for report in reports) for name in ("singly", "refused")
    )
    assert singly > refused == keys // BAD_EVERY
    say(
        f"{keys} keys written by {len(RECORDERS)} processes in {seconds:.1f} s: {keys} orders in"
        f" {sum(report.batches for report in reports)} batches, no deadlock; made {met['MADE']},"
        f" held by another {met['BUSY']}, claimed a moment before {met['TAKEN']},"
        f" answered already {met['ANSWERED']}; {refused} bad ones refused, for which {singly}"
        " were written singly"
    )


async def _distinct_keys(database: Database) -> int:
    async with database.statement() as connection:
        query = select(func.count(orders.c.idempotency_key.distinct()))
        return int(await connection.scalar(query) or 0)


async def test_a_deadlock_would_be_seen(postgresql_url: str, postgresql_database: Database) -> None:
    """The measure of the proof above, on two that take two locks in opposite order."""
    before = await deadlocks(postgresql_database)
    held = [asyncio.Event(), asyncio.Event()]

    async def take(database: Database, first: int, second: int) -> None:
        async with database.transaction() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            await connection.execute(select(func.pg_advisory_xact_lock(first)))
            held[first].set()
            await held[second].wait()
            await connection.execute(select(func.pg_advisory_xact_lock(second)))

    async with closing(Database(postgresql_url)) as database:
        outcomes = await asyncio.gather(
            take(database, 0, 1), take(database, 1, 0), return_exceptions=True
        )
    assert [isinstance(each, TransactionConflict) for each in outcomes].count(True) == 1
    async with asyncio.timeout(10):
        while await deadlocks(postgresql_database) != before + 1:
            pass
