"""The engine: every difference between the two databases, and the limits on waiting."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    event,
    func,
    insert,
    literal,
    literal_column,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from adapters.sql.database import Database, PoolLimits
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.reads import read
from adapters.sql.rows import api_key_to_row
from adapters.sql.statement import Statement
from adapters.sql.tables import api_keys
from adapters.sql.writes import write
from adapters.system import SystemClock
from application.ports.faults import StorageUnavailable
from tests.databases import closing, each, saved
from tests.examples import a_new_key, a_record, ids

pytestmark = pytest.mark.anyio

counters = Table("counters", MetaData(), Column("count", Integer, nullable=False))


@pytest.fixture
async def counter(database: Database) -> AsyncIterator[None]:
    async with database.transaction() as connection:
        await connection.run_sync(counters.metadata.create_all)
        await connection.execute(insert(counters).values(count=0))
    yield
    async with database.transaction() as connection:
        await connection.run_sync(counters.metadata.drop_all)


async def count(database: Database) -> int:
    async with database.statement() as connection:
        return int(await connection.scalar(select(counters.c.count)) or 0)


async def add_one_in_two_steps(database: Database) -> None:
    async with database.transaction() as connection:
        found = await connection.scalar(select(counters.c.count).with_for_update())
        assert found is not None
        await asyncio.sleep(0)
        await connection.execute(update(counters).values(count=found + 1))


@pytest.mark.usefixtures("counter")
@pytest.mark.parametrize("number", [10, 100])
async def test_increments_at_once_are_never_lost(database: Database, number: int) -> None:
    await asyncio.gather(*(add_one_in_two_steps(database) for _ in range(number)))
    assert await count(database) == number


@pytest.mark.usefixtures("counter")
async def test_increments_through_two_pools_are_never_lost(
    database: Database, database_url: str
) -> None:
    async with closing(Database(database_url)) as other:
        await asyncio.gather(
            *(add_one_in_two_steps(pool) for _ in range(25) for pool in (database, other))
        )
    assert await count(database) == 50


@pytest.mark.usefixtures("counter")
async def test_a_transaction_commits_when_its_block_ends(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(counters).values(count=7))
        assert await count(database) == 0
    assert await count(database) == 7


@pytest.mark.usefixtures("counter")
async def test_a_transaction_whose_block_raises_changes_nothing(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.transaction() as connection:
            await connection.execute(update(counters).values(count=7))
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await write_and_fail()
    assert await count(database) == 0


@pytest.mark.usefixtures("counter")
async def test_of_several_writes_all_or_none_are_done(database: Database) -> None:
    seven = update(counters).values(count=7)
    with pytest.raises(IntegrityError):
        await write(database, seven, update(counters).values(count=None))
    assert await count(database) == 0
    await write(database, seven)
    assert await count(database) == 7


@pytest.mark.usefixtures("counter")
async def test_reading_never_waits_for_a_writer(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(counters).values(count=7))
        reads = [read(database, lambda c: c.scalar(select(counters.c.count))) for _ in range(20)]
        assert set(await asyncio.gather(*reads)) == {0}


async def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await write(database, insert(api_keys).values(api_key_to_row(a_new_key(ids.new()).key)))


# Waiting for a connection.


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Database]:
    """Two connections for transactions on PostgreSQL; nobody waits for one."""
    limits = PoolLimits(size=8, wait_seconds=0.01)
    async with closing(Database(database_url, limits)) as opened:
        yield opened


async def every_connection_works(database: Database) -> bool:
    """As many as there are, all at once."""
    async with database.transaction(), database.statement() as connection:
        return bool(await connection.scalar(select(literal(1))) == 1)


async def test_one_who_gets_no_connection_in_time_is_told_that_nothing_was_done(
    small: Database,
) -> None:
    writing = [write(small, update(api_keys)) for _ in range(20)]
    # SQLite has one connection that writes, PostgreSQL has two here.
    other = small.transaction() if small.is_postgresql else nullcontext()
    async with small.transaction(), other:
        # All of them: one that is still on its way would hold what is looked for next.
        told = await asyncio.gather(*writing, return_exceptions=True)
    assert {type(each) for each in told} == {StorageUnavailable}
    assert await every_connection_works(small)


async def test_callers_that_are_canceled_at_any_moment_leak_no_connection(
    small: Database,
) -> None:
    for turns in range(40):
        reading = asyncio.create_task(
            read(small, lambda connection: connection.scalar(select(literal(1))))
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})
        assert await every_connection_works(small)


async def test_transactions_that_are_canceled_at_any_moment_leak_no_connection(
    small: Database,
) -> None:
    for turns in range(0, 80, 2):
        writing = asyncio.create_task(write(small, update(api_keys).values(name="x")))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})
        assert await every_connection_works(small)


async def test_a_database_that_is_not_there_is_unavailable(database_url: str) -> None:
    elsewhere = database_url.replace("harbor_test_", "harbor_no_").replace("/sqlite", "/no/such")
    threads = set(threading.enumerate())
    async with closing(Database(elsewhere)) as database:
        with pytest.raises(StorageUnavailable):
            await read(database, lambda connection: connection.scalar(select(literal(1))))
    # aiosqlite does not wait for the threads of connections that failed; the loop must not close
    # before they are done.
    for thread in set(threading.enumerate()) - threads:
        if "_connection_worker" in thread.name:
            await asyncio.to_thread(thread.join)


# SQLite.


async def pragma(database: Database, name: str) -> tuple[object, object]:
    """As the reading and the writing connection have it."""
    async with database.statement() as reader, database.transaction() as writer:
        query = text(f"PRAGMA {name}")
        return await reader.scalar(query), await writer.scalar(query)


async def test_sqlite_keeps_every_commit_and_every_foreign_key(sqlite_database: Database) -> None:
    full = 2
    assert await pragma(sqlite_database, "journal_mode") == ("wal", "wal")
    assert await pragma(sqlite_database, "synchronous") == (full, full)
    assert await pragma(sqlite_database, "foreign_keys") == (1, 1)


def shorten(database: Database, *pragmas: str) -> None:
    def prepare(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        for statement in pragmas:
            cursor.execute(f"PRAGMA {statement}")
        cursor.close()

    for engine in (database._reader, database._writer):
        event.listen(engine.sync_engine, "connect", prepare)


async def test_another_process_that_writes_is_waited_for(
    sqlite_database: Database, sqlite_url: str
) -> None:
    store = SqlIdempotencyStore(sqlite_database, SystemClock())
    merchant = ids.new()
    async with closing(Database(sqlite_url)) as other:
        async with other.transaction():
            recording = asyncio.create_task(store.record(a_record(merchant)))
            assert await store.find(merchant, "a key") is None
        assert (await recording).fresh


async def test_another_process_that_writes_for_too_long_makes_it_unavailable(
    sqlite_database: Database, sqlite_url: str
) -> None:
    shorten(sqlite_database, "busy_timeout = 10")
    store = SqlIdempotencyStore(sqlite_database, SystemClock())
    merchant = ids.new()
    async with closing(Database(sqlite_url)) as other, other.transaction():
        with pytest.raises(StorageUnavailable):
            await store.record(a_record(merchant))
    assert await saved(sqlite_database, merchant) == each(0)
    assert (await store.record(a_record(merchant))).fresh


async def test_a_full_disk_makes_it_unavailable_and_saves_nothing(
    sqlite_database: Database,
) -> None:
    shorten(sqlite_database, "max_page_count = 1")
    store = SqlIdempotencyStore(sqlite_database, SystemClock())
    merchant = ids.new()
    done: list[str] = []

    async def record_until_full() -> None:
        for number in range(1000):
            await store.record(a_record(merchant, f"key {number}"))
            done.append(f"key {number}")

    with pytest.raises(StorageUnavailable):
        await record_until_full()
    assert await saved(sqlite_database, merchant) == each(len(done))
    assert await store.find(merchant, f"key {len(done)}") is None


# PostgreSQL.


@pytest.fixture
async def hurried(postgresql_url: str) -> AsyncIterator[Database]:
    limits = PoolLimits(statement_seconds=0.2, lock_seconds=0.05)
    async with closing(Database(postgresql_url, limits)) as opened:
        yield opened


LOCK = select(func.pg_advisory_xact_lock(4711))


async def test_postgresql_gets_the_limits_that_were_set(hurried: Database) -> None:
    async with hurried.statement() as connection:
        settings = {
            name: await connection.scalar(text(f"SHOW {name}"))
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "default_transaction_isolation",
                "application_name",
            )
        }
    assert settings == {
        "lock_timeout": "50ms",
        "statement_timeout": "200ms",
        "idle_in_transaction_session_timeout": "200ms",
        "default_transaction_isolation": "read committed",
        "application_name": "harbor",
    }


async def test_a_statement_that_takes_too_long_is_unavailable(hurried: Database) -> None:
    with pytest.raises(StorageUnavailable):
        await read(hurried, lambda connection: connection.scalar(select(func.pg_sleep(60))))


@asynccontextmanager
async def without_its_end(url: str) -> AsyncIterator[str]:
    """A way to the server on which its last words arrive, but not that it hung up."""
    server = make_url(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection(server.host, server.port)

        async def listen() -> None:
            while said := await there.read(65_536):
                writer.write(said)

        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            while asked := await reader.read(65_536):
                away.write(asked)
            away.close()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield server.set(port=port).render_as_string(hide_password=False)


async def test_a_connection_that_the_server_has_just_ended_is_lost(
    postgresql_url: str, postgresql_database: Database
) -> None:
    """The driver loses its place then, and calls that an error of its own."""
    one = Statement(select(literal_column("1")))
    backend = select(func.pg_backend_pid().label("pid"))
    async with (
        without_its_end(postgresql_url) as url,
        closing(Database(url, PoolLimits(size=1))) as database,
    ):
        alone = (await database.fetch(Statement(backend), {}))[0]["pid"]
        async with database.transaction() as connection:
            writer = await connection.scalar(backend)
        async with postgresql_database.statement() as other:
            for pid in (alone, writer):
                await other.execute(select(func.pg_terminate_backend(pid, 5_000)))
        with pytest.raises(ConnectionLost):
            await database.fetch(one, {})
        with pytest.raises(ConnectionLost):
            async with database.transaction() as connection:
                await connection.execute(one.core)
        assert len(await database.fetch(one, {})) == 1


async def test_a_lock_that_is_not_to_be_had_in_time_is_a_conflict(
    hurried: Database, postgresql_database: Database
) -> None:
    async with postgresql_database.transaction() as holder:
        await holder.execute(LOCK)
        with pytest.raises(TransactionConflict):
            async with hurried.transaction() as connection:
                await connection.execute(LOCK)


async def test_a_holder_that_froze_in_a_transaction_is_ended_by_the_server(
    hurried: Database, postgresql_database: Database
) -> None:
    async def freeze_with_the_lock() -> None:
        async with hurried.transaction() as frozen:
            await frozen.execute(LOCK)
            # Nobody hears of it again: this ends when the server lets go of its lock.
            async with postgresql_database.transaction() as waiting:
                await waiting.execute(text("SET LOCAL lock_timeout = '20s'"))
                await waiting.execute(LOCK)
            await frozen.execute(select(literal(1)))

    with pytest.raises((ConnectionLost, StorageUnavailable)):
        await freeze_with_the_lock()
    assert await every_connection_works(hurried)


@pytest.mark.parametrize("level", ["serializable", "repeatable read"])
async def test_a_server_that_isolates_more_strictly_makes_no_difference(
    postgresql_database: Database, postgresql_url: str, level: str
) -> None:
    async with postgresql_database.statement() as connection:
        name = await connection.scalar(select(func.current_database()))
        await connection.execute(
            text(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
        )
    try:
        async with closing(Database(postgresql_url)) as database:
            async with database.statement() as connection:
                assert await connection.scalar(text("SHOW transaction_isolation")) == (
                    "read committed"
                )
            store = SqlIdempotencyStore(database, SystemClock())
            merchant = ids.new()
            standings = await asyncio.gather(*(store.record(a_record(merchant)) for _ in range(50)))
            assert [standing.fresh for standing in standings].count(True) == 1
            assert await saved(database, merchant) == each(1)
    finally:
        async with postgresql_database.statement() as connection:
            await connection.execute(
                text(f"ALTER DATABASE {name} RESET default_transaction_isolation")
            )


async def test_a_standby_that_only_reads_is_unavailable_for_writing(
    postgresql_database: Database, postgresql_url: str
) -> None:
    async with postgresql_database.statement() as connection:
        name = await connection.scalar(select(func.current_database()))
        await connection.execute(
            text(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        )
    merchant = ids.new()
    try:
        async with closing(Database(postgresql_url)) as standby:
            store = SqlIdempotencyStore(standby, SystemClock())
            with pytest.raises(StorageUnavailable):
                await store.record(a_record(merchant))
            assert await store.find(merchant, "a key") is None
    finally:
        async with postgresql_database.statement() as connection:
            await connection.execute(
                text(f"ALTER DATABASE {name} RESET default_transaction_read_only")
            )
    assert await saved(postgresql_database, merchant) == each(0)
