"""Redis may be absent, flushed, slow or wrong at any moment, and never changes an answer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from redis.asyncio import Redis

from adapters.redis.answer_bytes import AnswerBytes
from adapters.redis.breaker import Breaker
from adapters.redis.client import redis_client
from adapters.redis.idempotency import RedisReplayCache
from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.merchants import SqlMerchants
from adapters.system import SystemClock
from application.ports.idempotency import Record
from tests.examples import a_key_record, a_merchant, a_new_key, a_record, ids
from tests.fakes import FakeClock
from tests.support.redis import redis_server
from tests.support.server import Server

pytestmark = pytest.mark.anyio

SECRET = b"a secret of the tests"
BYTES = AnswerBytes(SECRET)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Redis]:
    async with aclosing(redis_client(server.url)) as opened:
        yield opened


@pytest.fixture
def cache(sqlite_database: Database, client: Redis) -> RedisReplayCache:
    return _a_cache(sqlite_database, client)


def _a_cache(database: Database, client: Redis) -> RedisReplayCache:
    store = SqlIdempotencyStore(database, SystemClock())
    return RedisReplayCache(store, client, FakeClock(), SECRET)


def _name(record: Record) -> bytes:
    return BYTES.cache_key(record.answer.merchant_id, record.answer.key)


async def _value(client: Redis, record: Record) -> bytes:
    value = await client.get(_name(record))
    assert isinstance(value, bytes)
    return value


async def _recorded(cache: RedisReplayCache) -> Record:
    record = a_record(ids.new())
    assert (await cache.record(record)).fresh
    await cache.drain()
    return record


async def _assert_still_true(cache: RedisReplayCache, record: Record) -> None:
    """Whatever Redis says, a repeat gets the first answer, and there is no second order."""
    answer = record.answer
    recalled = await cache.recall(answer.merchant_id, answer.key)
    assert recalled in (None, answer)
    again = a_record(answer.merchant_id, answer.key)
    standing = await cache.record(again)
    assert (standing.fresh, standing.answer) == (False, answer)


async def test_what_was_recorded_is_at_hand(cache: RedisReplayCache) -> None:
    record = await _recorded(cache)
    assert await cache.recall(record.answer.merchant_id, record.answer.key) == record.answer
    assert await cache.recall(ids.new(), record.answer.key) is None


async def test_after_a_flush_a_repeat_is_answered_and_remembered_anew(
    cache: RedisReplayCache, client: Redis
) -> None:
    record = await _recorded(cache)
    await client.flushall()
    assert await cache.recall(record.answer.merchant_id, record.answer.key) is None
    await _assert_still_true(cache, record)
    await cache.drain()
    assert await cache.recall(record.answer.merchant_id, record.answer.key) == record.answer


@pytest.mark.parametrize("at", [0, 31, 32, 40, -1])
async def test_a_changed_value_is_a_miss(cache: RedisReplayCache, client: Redis, at: int) -> None:
    record = await _recorded(cache)
    value = bytearray(await _value(client, record))
    value[at] ^= 1
    await client.set(_name(record), bytes(value))
    assert await cache.recall(record.answer.merchant_id, record.answer.key) is None
    await _assert_still_true(cache, record)


@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 200])
async def test_a_cut_value_is_a_miss(cache: RedisReplayCache, client: Redis, length: int) -> None:
    record = await _recorded(cache)
    value = await _value(client, record)
    await client.set(_name(record), value[:length])
    assert await cache.recall(record.answer.merchant_id, record.answer.key) is None
    await _assert_still_true(cache, record)


async def test_the_answer_to_another_key_is_a_miss(cache: RedisReplayCache, client: Redis) -> None:
    first, second = await _recorded(cache), await _recorded(cache)
    await client.set(_name(second), await _value(client, first))
    assert await cache.recall(second.answer.merchant_id, second.answer.key) is None
    await _assert_still_true(cache, second)


async def test_a_value_of_another_secret_is_a_miss(cache: RedisReplayCache, client: Redis) -> None:
    record = await _recorded(cache)
    forged = replace(record.answer, body=b'{"status":"paid"}')
    await client.set(_name(record), AnswerBytes(b"a guess").pack(forged))
    assert await cache.recall(record.answer.merchant_id, record.answer.key) is None
    await _assert_still_true(cache, record)


async def test_a_value_of_another_kind_is_a_miss(cache: RedisReplayCache, client: Redis) -> None:
    record = await _recorded(cache)
    await client.delete(_name(record))
    await client.lpush(_name(record), "x")
    assert await cache.recall(record.answer.merchant_id, record.answer.key) is None
    await client.delete(_name(record))
    await _assert_still_true(cache, record)


async def test_an_old_dump_is_as_true_as_on_its_first_day(
    cache: RedisReplayCache, client: Redis
) -> None:
    record = await _recorded(cache)
    dump = await _value(client, record)
    await client.flushall()
    await _recorded(cache)
    await client.set(_name(record), dump)
    assert await cache.recall(record.answer.merchant_id, record.answer.key) == record.answer


async def test_a_secret_never_reaches_redis(
    sqlite_database: Database, cache: RedisReplayCache, client: Redis
) -> None:
    await client.flushall()
    merchant_id = await _a_merchant(sqlite_database)
    record = a_key_record(merchant_id, "a key", a_new_key(merchant_id).key)
    assert (await cache.record(record)).fresh
    await cache.drain()
    assert await client.dbsize() == 0


async def test_a_redis_that_is_frozen_killed_and_back_changes_nothing(
    sqlite_database: Database, server: Server, client: Redis
) -> None:
    record = await _recorded(_a_cache(sqlite_database, client))
    server.freeze()
    try:
        await _assert_still_true(_a_cache(sqlite_database, client), record)
    finally:
        server.thaw()
    server.kill()
    killed = _a_cache(sqlite_database, client)
    await _assert_still_true(killed, record)
    await _recorded(killed)
    server.restart()
    back = _a_cache(sqlite_database, client)
    await _assert_still_true(back, record)
    await back.drain()
    assert await back.recall(record.answer.merchant_id, record.answer.key) == record.answer


def test_a_breaker_leaves_what_fails_alone_for_a_second_at_a_time() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    for _ in range(2):
        breaker.failed()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    clock.advance(timedelta(seconds=1))
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert all(breaker.allows() for _ in range(3))


async def _a_merchant(database: Database) -> UUID:
    merchant = a_merchant()
    await SqlMerchants(database).add(merchant, a_new_key(merchant.id).key)
    return merchant.id
