"""However often and at once a request is repeated: one key, one order, one answer."""

import asyncio
import time
from contextlib import ExitStack

import pytest

from tests.journeys.api import an_order, new_merchant
from tests.journeys.raw import RawAnswer, post_order
from tests.journeys.server import Harbor
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

DUPLICATES = 20
LINES = 100
PAYLOADS = 100


def _duplicated(book: Book, keys: int) -> list[bytes]:
    """Each key's duplicates one after the other: with LINES at once, all of a key's together."""
    return [data for data in book.requests(some_keys(keys)) for _ in range(DUPLICATES)]


async def _check(book: Book, harbor: Harbor, keys: int) -> str:
    """By processes that remember nothing, with Redis and without."""
    assert set(book.statuses) <= {200, 201, 409}
    assert book.statuses.total() == keys * DUPLICATES
    assert set(book.made.values()) == {1}
    with (
        harbor.serving("--no-worker") as new,
        harbor.serving("--no-worker", HARBOR_REDIS_URL="") as alone,
    ):
        orders = await nothing_lost_nothing_doubled(book, Servers(new, alone))
    assert orders == keys
    return f"{keys} keys x {DUPLICATES} duplicates: {orders} orders listed; {book.told()}"


async def test_duplicates_over_two_processes_on_postgresql_and_redis(
    on_postgresql: Harbor, full: bool, say: Say
) -> None:
    keys = 1_000 if full else 40
    book = Book(await new_merchant(on_postgresql))
    with on_postgresql.serving() as first, on_postgresql.serving() as second:
        servers = Servers(first, second)
        started = time.perf_counter()
        async with lines(servers, LINES) as workers:
            await share_out(_duplicated(book, keys), workers, book.note)
        seconds = time.perf_counter() - started
        say(f"{await _check(book, on_postgresql, keys)}; {seconds:.1f} s")


async def test_duplicates_while_redis_is_killed_and_comes_back_empty(
    on_postgresql: Harbor, redis: Server, full: bool, say: Say
) -> None:
    keys = 1_000 if full else 40
    book = Book(await new_merchant(on_postgresql))
    work = _duplicated(book, keys)
    with on_postgresql.serving() as first, on_postgresql.serving() as second:
        servers = Servers(first, second)

        async def note(data: bytes, answer: RawAnswer | None) -> None:
            book.note(data, answer)
            if book.statuses.total() == len(work) // 2:
                say(f"Redis is killed after {book.statuses.total()} answers")
                await asyncio.to_thread(redis.kill)
            if book.statuses.total() == len(work) * 3 // 4:
                await asyncio.to_thread(redis.restart)
                say(f"Redis is back, empty, after {book.statuses.total()} answers")

        async with lines(servers, LINES) as workers:
            await share_out(work, workers, note)
        say(await _check(book, on_postgresql, keys))


async def test_duplicates_on_sqlite(on_sqlite: Harbor, full: bool, say: Say) -> None:
    keys = 1_000 if full else 40
    with on_sqlite.serving("--no-worker") as server:
        book = Book(await new_merchant(on_sqlite))
        servers = Servers(server)
        started = time.perf_counter()
        async with lines(servers, LINES) as workers:
            await share_out(_duplicated(book, keys), workers, book.note)
        seconds = time.perf_counter() - started
        say(f"{await _check(book, on_sqlite, keys)}; {seconds:.1f} s")


async def test_a_hundred_payloads_at_once_under_one_key(
    harbor: Harbor, full: bool, say: Say
) -> None:
    rounds = 20 if full else 3
    with ExitStack() as stack:
        count = 2 if "HARBOR_DATABASE_URL" in harbor.settings else 1
        servers = Servers(*(stack.enter_context(harbor.serving()) for _ in range(count)))
        book = Book(await new_merchant(harbor))
        for key in some_keys(rounds):
            work = [
                post_order(book.api_key, key, an_order(amount_cents=amount))
                for amount in range(1, PAYLOADS + 1)
            ]
            before = book.statuses.copy()
            async with lines(servers, PAYLOADS) as workers:
                await share_out(work, workers, book.note)
            now = book.statuses - before
            assert now[201] == 1
            assert now[422] + now[409] == PAYLOADS - 1
            assert len(book.acknowledged[key]) > 0
        say(f"{rounds} keys x {PAYLOADS} payloads: {book.told()}")
