"""The answer to a commit gets lost: the caller is told the truth all the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import make_url, text

from adapters.sql.database import Database, PoolLimits
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.system import SystemClock
from application.ports.faults import OutcomeUnknown
from tests.databases import closing, each, saved
from tests.examples import a_record, ids

pytestmark = pytest.mark.anyio

RECORDING = b"made_orders"
"""What only the statement of a recording has in it."""
ENDED = b"SELECT 0\0"
"""How PostgreSQL says that the statement has ended; it leaves the server behind the commit."""


class Cutter:
    """Stands between Harbor and PostgreSQL. Passes a recording on, waits for the answer, and cuts
    the connection instead of delivering it; then lets nobody through if `and_closes`."""

    def __init__(self, url: str, *, cuts: int, and_closes: bool = False) -> None:
        self._to = make_url(url)
        self.cuts = cuts
        self._and_closes = and_closes
        self._closed = False

    @asynccontextmanager
    async def between(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            yield self._to.set(port=port).render_as_string(hide_password=False)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.close()
            return
        there, away = await asyncio.open_connection(self._to.host, self._to.port)
        recording = asyncio.Event()
        back = asyncio.create_task(self._answer(there, writer, recording))
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if RECORDING in data:
                    recording.set()
                away.write(data)
        away.close()
        await back

    async def _answer(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, recording: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await there.read(65_536):
                if self.cuts and recording.is_set() and ENDED in data:
                    self.cuts -= 1
                    self._closed = self._and_closes
                    break
                writer.write(data)
        writer.close()


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
    """Every backend of the pool is terminated again and again while 100 records are made."""
    merchant_id = ids.new()
    records = [a_record(merchant_id, key=f"key {number}") for number in range(100)]
    done = asyncio.Event()

    async def terminate() -> int:
        ended = 0
        while not done.is_set():
            async with postgresql_database.statement() as connection:
                ended += len((await connection.execute(_TERMINATE)).all())
        return ended

    async with closing(Database(postgresql_url, PoolLimits(size=8))) as database:
        store = SqlIdempotencyStore(database, SystemClock())
        storm = asyncio.create_task(terminate())
        outcomes = await asyncio.gather(
            *(store.record(record) for record in records), return_exceptions=True
        )
        done.set()
        assert await storm > 0
        acknowledged = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert all(standing.fresh for standing in acknowledged)
        again = [await store.record(record) for record in records]
    assert [standing.answer for standing in again] == [record.answer for record in records]
    assert await saved(postgresql_database, merchant_id) == each(100)


_TERMINATE = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name = 'harbor' ORDER BY random() LIMIT 1"
)
