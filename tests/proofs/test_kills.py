"""Killed in the middle of the work, again and again: nothing lost, nothing doubled."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.api import new_merchant
from tests.journeys.raw import RawAnswer
from tests.journeys.server import Harbor
from tests.proofs.conftest import Say, production
from tests.proofs.load import (
    Book,
    Servers,
    converge,
    lines,
    nothing_lost_nothing_doubled,
    share_out,
    some_keys,
)
from tests.support.server import Server

pytestmark = pytest.mark.anyio

LINES = 16
ORDERS_A_ROUND = 60
MOST_REQUESTS = 200_000
BRIEF = ("STATEMENT", "LOCK", "CONNECT", "POOL_WAIT", "OUTCOME_WAIT")


class Load:
    """Orders without end, each key twice, until it is told to stop."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._stopped = False
        self._good = asyncio.Condition()

    def work(self) -> Iterator[bytes]:
        for _ in itertools.takewhile(lambda _: not self._stopped, range(MOST_REQUESTS)):
            data = self._book.order(*some_keys(1))
            yield from (data, data)

    async def note(self, data: bytes, answer: RawAnswer | None) -> None:
        self._book.note(data, answer)
        if answer is None or answer.status == 503:
            # Who goes on asking a dead server does nothing else.
            await asyncio.sleep(0.05)
        async with self._good:
            self._good.notify_all()

    async def more(self, count: int) -> None:
        """Until so many more keys have been acknowledged."""
        wanted = len(self._book.bodies) + count
        async with asyncio.timeout(60), self._good:
            await self._good.wait_for(lambda: len(self._book.bodies) >= wanted)

    def stop(self) -> None:
        self._stopped = True


async def _as_strangers_see_it(harbor: Harbor, book: Book) -> int:
    """By processes that remember nothing, with Redis and without. The number of orders."""
    with (
        harbor.serving("--no-worker") as new,
        harbor.serving("--no-worker", HARBOR_REDIS_URL="") as alone,
    ):
        return await nothing_lost_nothing_doubled(book, Servers(new, alone))


async def test_a_server_that_is_killed_under_load_loses_and_doubles_nothing(
    harbor: Harbor, full: bool, say: Say
) -> None:
    rounds = 20 if full else 3
    # Without a worker an order stays as it was placed, to the byte.
    server = harbor.start("--no-worker")
    await asyncio.to_thread(server.await_started)
    servers = Servers(server)
    book = Book(await new_merchant(harbor))
    load = Load(book)
    try:
        async with lines(servers, LINES) as workers:
            loading = asyncio.create_task(share_out(load.work(), workers, load.note))
            for number in range(1, rounds + 1):
                await load.more(ORDERS_A_ROUND)
                servers.all[0].kill()
                say(f"kill {number}: {len(book.bodies)} orders acknowledged")
                servers.all[0] = await asyncio.to_thread(harbor.start, "--no-worker")
            await load.more(ORDERS_A_ROUND)
            load.stop()
            await loading
            unanswered = len(book.keys - book.bodies.keys())
            await converge(book, workers)
        assert set(book.statuses) <= {200, 201, 409, None}
        assert set(book.made.values()) <= {0, 1}
        orders = await _as_strangers_see_it(harbor, book)
        say(
            f"{rounds} kills: {orders} orders, one for each of {len(book.keys)} keys,"
            f" {unanswered} of them unanswered at first; {book.told()}"
        )
    finally:
        servers.all[0].kill()


async def test_a_postgresql_that_is_killed_under_load_loses_and_doubles_nothing(
    postgres: Server, redis: Server, tmp_path: Path, full: bool, say: Say
) -> None:
    rounds = 10 if full else 2
    harbor = production(tmp_path, postgres.url, redis.url)
    assert harbor.run("migrate").code == 0
    with harbor.serving() as first, harbor.serving() as second:
        servers = Servers(first, second)
        book = Book(await new_merchant(harbor))
        load = Load(book)
        async with lines(servers, LINES) as workers:
            loading = asyncio.create_task(share_out(load.work(), workers, load.note))
            for number in range(1, rounds + 1):
                await load.more(ORDERS_A_ROUND)
                await asyncio.to_thread(postgres.kill)
                say(f"kill {number}: {len(book.bodies)} orders acknowledged")
                await asyncio.to_thread(postgres.start)
            await load.more(ORDERS_A_ROUND)
            load.stop()
            await loading
            unanswered = len(book.keys - book.bodies.keys())
            during = book.told()
            assert set(book.statuses) <= {200, 201, 409, 503}
            await converge(book, workers)
        assert set(book.statuses) <= {200, 201, 409, 503}
        orders = await _as_strangers_see_it(harbor, book)
        say(
            f"{rounds} kills: {orders} orders, one for each of {len(book.keys)} keys,"
            f" {unanswered} of them without a 2xx at first; {during}"
        )


async def test_a_postgresql_that_falls_silent_under_load_loses_and_doubles_nothing(
    postgres: Server, redis: Server, tmp_path: Path, full: bool, say: Say
) -> None:
    """Frozen: connections stay open and nothing answers. Nobody waits for ever."""
    rounds = 5 if full else 1
    harbor = production(tmp_path, postgres.url, redis.url)
    assert harbor.run("migrate").code == 0
    brief = {f"HARBOR_{name}_SECONDS": "1" for name in BRIEF}
    with harbor.serving(HARBOR_WRITE_DEADLINE_SECONDS="3", **brief) as server:
        servers = Servers(server)
        book = Book(await new_merchant(harbor))
        async with lines(servers, LINES) as workers:
            await share_out(book.requests(some_keys(LINES)), workers, book.note)
            for number in range(1, rounds + 1):
                await asyncio.to_thread(postgres.freeze)
                silent = Book(book.api_key)
                await share_out(silent.requests(some_keys(2 * LINES)), workers, silent.note)
                say(f"silence {number}: {silent.told()}")
                await asyncio.to_thread(postgres.thaw)
                assert set(silent.statuses) <= {409, 503}
                book.keys |= silent.keys
            await converge(book, workers)
        assert set(book.statuses) <= {200, 201, 409, 503}
        orders = await _as_strangers_see_it(harbor, book)
        say(f"{rounds} silences: {orders} orders, one for each of {len(book.keys)} keys")
