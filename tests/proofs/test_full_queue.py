"""More orders than the database takes: refused at once, and nothing lost, doubled or left open."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile

import pytest
from sqlalchemy import text

from adapters.sql.database import Database
from tests.databases import closing
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.raw import RawAnswer
from tests.journeys.server import Harbor, HarborServer
from tests.proofs.conftest import Say
from tests.proofs.load import (
    Book,
    Line,
    Servers,
    converge,
    key_of,
    lines,
    nothing_lost_nothing_doubled,
    share_out,
    some_keys,
)

pytestmark = pytest.mark.anyio

QUEUE, BATCH, LINES = 8, 4, 64
MOST_REQUESTS = 100_000
SMALL = {
    "HARBOR_COMMIT_QUEUE_SIZE": str(QUEUE),
    "HARBOR_COMMIT_BATCH_SIZE": str(BATCH),
    "HARBOR_COMMIT_LANES": "1",
}
PATIENT = {"HARBOR_LOCK_SECONDS": "20", "HARBOR_STATEMENT_SECONDS": "20"}
AT_ONCE_SECONDS = 1.0


@asynccontextmanager
async def nothing_is_placed(database: Database) -> AsyncIterator[None]:
    """Whoever places an order waits, until the block ends."""
    async with database.transaction(patient=True) as holder:
        await holder.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        await holder.execute(text("LOCK TABLE orders IN SHARE MODE"))
        yield


async def warm(server: HarborServer, book: Book) -> None:
    """The API key is known, and the connections are made."""
    async with lines(Servers(server), 1) as (line,):
        await share_out(book.requests(some_keys(1)), [line], book.note)
    assert set(book.statuses) == {201}


class Burst:
    """One order that is under way, and many more that come while nothing moves."""

    def __init__(self, book: Book, workers: Sequence[Line]) -> None:
        self._book = book
        self._workers = workers
        self._refused = asyncio.Semaphore(0)
        self.answers: dict[str, RawAnswer] = {}
        self.waits: list[float] = []
        """How long each refusal took, in seconds."""

    async def run(self, database: Database, api: Api) -> None:
        first, *others = self._book.requests(some_keys(LINES))
        async with asyncio.timeout(15), asyncio.TaskGroup() as group, nothing_is_placed(database):
            group.create_task(self._ask(0, first))
            await api.until_in_progress(key_of(first))
            for number, data in enumerate(others, start=1):
                group.create_task(self._ask(number, data))
            # All but the one under way and those in the queue.
            for _ in range(LINES - 1 - QUEUE):
                await self._refused.acquire()
            assert len(self.answers) == LINES - 1 - QUEUE

    async def _ask(self, number: int, data: bytes) -> None:
        started = time.perf_counter()
        answer = await self._workers[number].ask(data)
        assert answer is not None
        self.answers[key_of(data)] = answer
        self._book.note(data, answer)
        if answer.status == 503:
            self.waits.append(time.perf_counter() - started)
            self._refused.release()


async def test_a_full_queue_refuses_at_once_and_whoever_was_accepted_is_answered(
    on_postgresql: Harbor, say: Say
) -> None:
    book = Book(await new_merchant(on_postgresql))
    with on_postgresql.serving(**SMALL, **PATIENT) as server:
        await warm(server, book)
        async with (
            closing(Database(on_postgresql.database_url)) as database,
            client_of(server) as client,
            lines(Servers(server), LINES) as workers,
        ):
            burst = Burst(book, workers)
            await burst.run(database, Api(client, book.api_key))
            assert book.statuses == {201: 1 + 1 + QUEUE, 503: LINES - 1 - QUEUE}
            for answer in burst.answers.values():
                assert answer.status == 201 or _is_refusal(answer)
            assert max(burst.waits) < AT_ONCE_SECONDS
            # Who was refused had written nothing; again, a few at a time.
            again = Book(book.api_key)
            await share_out(book.requests(burst.answers), workers[:QUEUE], again.note)
            assert again.statuses == {201: LINES - 1 - QUEUE, 200: 1 + QUEUE}
            await share_out(book.requests(burst.answers), workers[:QUEUE], book.note)
        orders = await nothing_lost_nothing_doubled(book, Servers(server))
    say(
        f"{LINES} at once, {QUEUE} may wait: {1 + QUEUE} accepted and answered,"
        f" {len(burst.waits)} refused after {max(burst.waits) * 1000:.0f} ms at most;"
        f" {orders} orders, one for each key"
    )


def _is_refusal(answer: RawAnswer) -> bool:
    code = json.loads(answer.body)["code"]
    return (answer.status, code, answer.headers["retry-after"]) == (503, "unavailable", "1")


class Tide:
    """Load without end, that is told when orders are refused and when they are placed."""

    def __init__(self, book: Book, workers: Sequence[Line]) -> None:
        self._book = book
        self._workers = workers
        self.refused, self.placed = asyncio.Event(), asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        await share_out(self._work(), self._workers, self._note)

    def _work(self) -> Iterator[bytes]:
        for _ in takewhile(lambda _: not self.ended, range(MOST_REQUESTS)):
            yield self._book.order(*some_keys(1))

    async def _note(self, data: bytes, answer: RawAnswer | None) -> None:
        self._book.note(data, answer)
        assert answer is not None
        assert answer.status == 201 or _is_refusal(answer)
        (self.placed if answer.status == 201 else self.refused).set()


async def test_a_queue_that_fills_again_and_again_loses_and_doubles_nothing(
    on_postgresql: Harbor, full: bool, say: Say
) -> None:
    rounds = 20 if full else 3
    book = Book(await new_merchant(on_postgresql))
    with on_postgresql.serving(**SMALL, **PATIENT) as server:
        await warm(server, book)
        async with (
            closing(Database(on_postgresql.database_url)) as database,
            lines(Servers(server), LINES) as workers,
        ):
            tide = Tide(book, workers)
            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                group.create_task(tide.run())
                for _ in range(rounds):
                    tide.placed.clear()
                    await tide.placed.wait()
                    async with nothing_is_placed(database):
                        tide.refused.clear()
                        await tide.refused.wait()
                tide.ended = True
            during = book.told()
            assert book.statuses[503] > rounds
            await converge(book, workers[:QUEUE])
        orders = await nothing_lost_nothing_doubled(book, Servers(server))
    say(f"{rounds} times full: {during}; {orders} orders, one for each of {len(book.keys)} keys")
