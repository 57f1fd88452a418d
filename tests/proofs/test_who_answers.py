"""A repeat is answered from the memory of the process, by Redis, or by the database: all alike.

Each is asked apart from the others, and Redis says what it was asked.
"""

import asyncio
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from adapters.redis.client import redis_client
from tests.journeys.api import new_merchant
from tests.journeys.server import Harbor, HarborServer
from tests.proofs.conftest import Say
from tests.proofs.load import (
    Book,
    Servers,
    lines,
    nothing_lost_nothing_doubled,
    share_out,
    some_keys,
)
from tests.support.server import Server

pytestmark = pytest.mark.anyio

LINES = 8
WITHOUT_REDIS = {"HARBOR_REDIS_URL": ""}


class Witness:
    """What Redis was asked since the last time, as it says itself."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._seen = (0, 0)

    async def hits_and_misses(self) -> tuple[int, int]:
        stats = await self._client.info("stats")
        now = (stats["keyspace_hits"], stats["keyspace_misses"])
        since = (now[0] - self._seen[0], now[1] - self._seen[1])
        self._seen = now
        return since

    async def until_it_holds(self, answers: int) -> None:
        """Nobody waits for the writing, and on a busy machine some of it may be given up."""
        async with asyncio.timeout(10):
            while await self._client.dbsize() < answers:
                pass


async def repeated(book: Book, server: HarborServer) -> None:
    """Every key again, with its body and with another one."""
    again, other = Book(book.api_key), Book(book.api_key)
    async with lines(Servers(server), LINES) as workers:
        await share_out(again.requests(book.keys), workers, again.note)
        await share_out(other.requests(book.keys, amount_cents=1), workers, other.note)
    assert again.statuses == {200: len(book.keys)}
    assert again.acknowledged == book.acknowledged
    assert other.statuses == {422: len(book.keys)}


async def test_whoever_answers_a_repeat_says_the_same(
    on_postgresql: Harbor, redis: Server, full: bool, say: Say
) -> None:
    # Few enough for all to be remembered.
    count = 900 if full else 100
    book = Book(await new_merchant(on_postgresql))
    async with aclosing(redis_client(redis.url)) as client:
        witness = Witness(client)
        with (
            on_postgresql.serving() as first,
            on_postgresql.serving() as second,
            on_postgresql.serving(**WITHOUT_REDIS) as alone,
        ):
            async with lines(Servers(first), LINES) as workers:
                await share_out(book.requests(some_keys(count)), workers, book.note)
            assert book.statuses == {201: count}
            await witness.until_it_holds(count // 2)
            await witness.hits_and_misses()
            await repeated(book, first)
            assert await witness.hits_and_misses() == (0, 0)
            await repeated(book, second)
            # What Redis does not have, or does not tell in time, is asked of the database.
            hits, _ = await witness.hits_and_misses()
            assert 0 < hits <= count
            await repeated(book, second)
            assert await witness.hits_and_misses() == (0, 0)
            await repeated(book, alone)
            assert await witness.hits_and_misses() == (0, 0)
            await client.flushall()
            with on_postgresql.serving() as third:
                await repeated(book, third)
                emptied, asked = await witness.hits_and_misses()
                assert emptied == 0
                assert asked > 0
            await nothing_lost_nothing_doubled(book, Servers(first, second, alone))
    say(
        f"{count} keys, each with its body and another: {count} repeats from memory, {hits} from"
        f" Redis, {count} by the database without one, {asked} by the database after a flush"
    )
