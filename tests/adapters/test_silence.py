"""What says nothing any more, or nonsense: a frozen database, a Redis that is something else."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from adapters.redis.parts import RedisParts
from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import Database, PoolLimits
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.merchants import SqlMerchants
from adapters.sql.migrate import migrate
from adapters.system import SystemClock
from application.ports.faults import OutcomeUnknown, StorageUnavailable
from tests.databases import closing
from tests.examples import a_merchant, a_new_key, a_record, ids
from tests.fakes import NOW
from tests.support.postgres import postgres_server
from tests.support.server import Server

pytestmark = pytest.mark.anyio

LIMITS = PoolLimits(
    size=2, wait_seconds=0.5, connect_seconds=0.5, statement_seconds=0.2, lock_seconds=0.2
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as running:
        yield running


@pytest.fixture
async def database(server: Server) -> AsyncIterator[Database]:
    async with closing(Database(server.url, LIMITS)) as opened:
        await migrate(opened)
        yield opened


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


async def test_who_waits_on_a_frozen_database_is_told_and_the_pool_is_whole_afterwards(
    server: Server, database: Database
) -> None:
    store = SqlIdempotencyStore(database, SystemClock(), unknown_seconds=0.2)
    merchant = a_merchant()
    key = a_new_key(merchant.id).key
    await SqlMerchants(database).add(merchant, key)
    records = [a_record(merchant.id, key=f"key {number}") for number in range(4)]
    api_keys = SqlApiKeys(database)
    await store.record(records[0])
    async with frozen(server):
        outcomes = await asyncio.gather(
            *(store.record(record) for record in records[1:3]), return_exceptions=True
        )
        # The first connection was cut, and there is no other.
        with pytest.raises(StorageUnavailable):
            await store.record(records[3])
        with pytest.raises(StorageUnavailable):
            await api_keys.touch(key, NOW)
        with pytest.raises(StorageUnavailable):
            await api_keys.get(merchant.id, key.id)
    # Those that were under way together cannot know; one that needs a new connection does.
    assert {type(outcome) for outcome in outcomes} == {OutcomeUnknown}
    # Whatever became of them, trying again with the same keys ends well, in the same process.
    standings = [await store.record(record) for record in records]
    assert [standing.answer for standing in standings] == [record.answer for record in records]
    await api_keys.touch(key, NOW)


@pytest.mark.parametrize("nonsense", [b"$abc\r\n", b"*x\r\n", b":zz\r\n", b"HTTP/1.1 400\r\n\r\n"])
async def test_a_redis_that_talks_nonsense_is_a_miss(database: Database, nonsense: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1_024):
            writer.write(nonsense)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as liar:
        port = liar.sockets[0].getsockname()[1]
        parts = RedisParts.build(
            f"redis://127.0.0.1:{port}/0",
            inner=SqlIdempotencyStore(database, SystemClock()),
            clock=SystemClock(),
            secret=b"x",
            kept_seconds=60,
        )
        record = a_record(ids.new())
        assert await parts.replay_cache.recall(record.answer.merchant_id, record.answer.key) is None
        assert (await parts.replay_cache.record(record)).fresh
        assert (await parts.probe.examine()).problem is not None
        await parts.close()
