"""The answer to a commit gets lost: the caller is told the truth all the same."""

import asyncio

import pytest
from sqlalchemy import text

from adapters.sql.database import Database, PoolLimits
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.system import SystemClock
from application.ports.faults import OutcomeUnknown
from application.ports.idempotency import Standing
from tests.adapters.cutter import Cutter
from tests.databases import closing, each, saved
from tests.examples import a_record, ids

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("cuts", [1, 2])
async def test_a_commit_whose_answer_is_lost_is_found_out(
    postgresql_url: str, postgresql_database: Database, cuts: int
) -> None:
    cutter = Cutter(postgresql_url, cuts=cuts)
    merchant_id = ids.new()
    async with cutter.between() as url, closing(Database(url)) as database:
        store = SqlIdempotencyStore(database, SystemClock())
        for number in range(1, 4):
            record = a_record(merchant_id, key=f"key {number}")
            standing = await store.record(record)
            assert (standing.fresh, standing.answer) == (True, record.answer)
    assert cutter.cuts == 0
    assert await saved(postgresql_database, merchant_id) == each(3)


async def test_a_commit_that_cannot_be_found_out_is_unknown_and_a_retry_tells(
    postgresql_url: str, postgresql_database: Database
) -> None:
    cutter = Cutter(postgresql_url, cuts=1, and_closes=True)
    record = a_record(ids.new())
    async with cutter.between() as url, closing(Database(url)) as database:
        store = SqlIdempotencyStore(database, SystemClock(), unknown_seconds=0.3)
        with pytest.raises(OutcomeUnknown):
            await store.record(record)
    retry = a_record(record.answer.merchant_id)
    store = SqlIdempotencyStore(postgresql_database, SystemClock())
    standing = await store.record(retry)
    assert (standing.fresh, standing.answer) == (False, record.answer)
    assert await saved(postgresql_database, record.answer.merchant_id) == each(1)


async def test_a_storm_of_broken_connections_loses_and_doubles_nothing(
    postgresql_url: str, postgresql_database: Database
) -> None:
    """Backends are terminated while 400 records are made, 16 at a time; nobody is left in doubt."""
    merchant_id = ids.new()
    records = [a_record(merchant_id, key=f"key {number}") for number in range(400)]
    rest = iter(records)
    standings: list[Standing] = []
    made = asyncio.Event()

    async def keep_recording() -> None:
        for record in rest:
            standings.append(await store.record(record))
            made.set()

    async def terminate() -> int:
        ended = 0
        while len(standings) < len(records):
            made.clear()
            async with postgresql_database.statement() as connection:
                ended += len((await connection.execute(_TERMINATE)).all())
            # One that never lets anything be done would prove nothing.
            await made.wait()
        return ended

    async with closing(Database(postgresql_url, PoolLimits(size=8))) as database:
        store = SqlIdempotencyStore(database, SystemClock())
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            storm = group.create_task(terminate())
            for _ in range(16):
                group.create_task(keep_recording())
        assert storm.result() > 10
        assert all(standing.fresh for standing in standings)
        again = [await store.record(record) for record in records]
    assert [standing.answer for standing in again] == [record.answer for record in records]
    assert await saved(postgresql_database, merchant_id) == each(400)


_TERMINATE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = 'harbor' ORDER BY random() LIMIT 1"
)
