"""Told to stop in the middle of many orders: no accepted one is left unanswered."""

import asyncio
import json
from collections.abc import Iterator
from itertools import takewhile

import pytest
from sqlalchemy import select

from adapters.sql.database import Database
from adapters.sql.tables import orders
from tests.databases import closing
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.server import Harbor
from tests.proofs.conftest import Say
from tests.proofs.load import (
    Book,
    Servers,
    converge,
    key_of,
    lines,
    nothing_lost_nothing_doubled,
    share_out,
    some_keys,
)
from tests.proofs.test_full_queue import PATIENT, nothing_is_placed, warm

pytestmark = pytest.mark.anyio

LINES = 64
MOST_REQUESTS = 100_000


async def placed(database: Database) -> dict[str, str]:
    """The orders that there are, by key."""
    async with database.statement() as connection:
        found = await connection.execute(select(orders.c.idempotency_key, orders.c.id))
        return {key: str(order_id) for key, order_id in found}


async def test_all_that_wait_for_a_commit_when_it_is_told_to_stop_are_answered(
    on_postgresql: Harbor, say: Say
) -> None:
    """One batch is in the database, the others wait for it: the stop waits for all of them."""
    book = Book(await new_merchant(on_postgresql))
    with on_postgresql.serving(**PATIENT) as server:
        await warm(server, book)
        async with (
            closing(Database(on_postgresql.database_url)) as database,
            client_of(server) as client,
            lines(Servers(server), LINES) as workers,
        ):
            api = Api(client, book.api_key)
            requests = book.requests(some_keys(LINES))
            async with nothing_is_placed(database):
                placing = asyncio.create_task(share_out(requests, workers, book.note))
                for data in requests:
                    await api.until_in_progress(key_of(data))
                server.terminate()
                await asyncio.to_thread(server.err.first, _shuts_down)
                assert len(book.bodies) == 1
            await placing
            assert await asyncio.to_thread(server.process.wait, 20) in (0, -15)
            acknowledged = {key: json.loads(body)["id"] for key, body in book.acknowledged.items()}
            assert book.statuses == {201: 1 + LINES}
            assert await placed(database) == acknowledged
    with on_postgresql.serving() as server:
        count = await nothing_lost_nothing_doubled(book, Servers(server))
    say(f"stopped with {LINES} under way: {book.told()}; {count} orders")


async def test_stops_under_load_leave_no_accepted_order_unanswered(
    on_postgresql: Harbor, full: bool, say: Say
) -> None:
    """Every order in the database was answered, every 201 is there, and the keys of the requests
    that the server never took end with one order each."""
    rounds = 20 if full else 3
    book = Book(await new_merchant(on_postgresql))
    async with closing(Database(on_postgresql.database_url)) as database:
        for _ in range(rounds):
            await _stopped_under_load(on_postgresql, book)
            acknowledged = {key: json.loads(body)["id"] for key, body in book.acknowledged.items()}
            assert await placed(database) == acknowledged
    assert set(book.statuses) <= {201, 503, None}
    during = book.told()
    with on_postgresql.serving() as server:
        async with lines(Servers(server), LINES) as workers:
            await converge(book, workers)
        count = await nothing_lost_nothing_doubled(book, Servers(server))
    say(
        f"{rounds} stops under {LINES} connections: {during} (came too late);"
        f" {count} orders, one for each of {len(book.keys)} keys"
    )


async def _stopped_under_load(harbor: Harbor, book: Book) -> None:
    with harbor.serving() as server:
        server.await_started()
        before = len(book.bodies)
        under_way = asyncio.Event()
        ended = False

        def work() -> Iterator[bytes]:
            for _ in takewhile(lambda _: not ended, range(MOST_REQUESTS)):
                yield book.order(*some_keys(1))

        def note(data: bytes, answer: object) -> None:
            nonlocal ended
            book.note(data, answer)  # type: ignore[arg-type]
            ended = ended or answer is None
            if len(book.bodies) >= before + 3 * LINES:
                under_way.set()

        async with lines(Servers(server), LINES) as workers:
            loading = asyncio.create_task(share_out(work(), workers, note))
            await under_way.wait()
            server.terminate()
            await asyncio.to_thread(server.process.wait, 30)
            await loading


def _shuts_down(line: str) -> bool | None:
    return "Shutting down" in line or None
