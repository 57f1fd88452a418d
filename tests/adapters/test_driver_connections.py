"""The driver's connections: never more than allowed, never shared, never leaked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from adapters.sql.driver import DriverConnections
from adapters.sql.faults import ConnectionLost
from application.ports.faults import StorageUnavailable
from tests.support.postgres import postgres_server
from tests.support.server import Server

pytestmark = pytest.mark.anyio

SIZE = 3
MINE = "SELECT count(*) AS count FROM pg_stat_activity WHERE application_name = 'the driver tests'"
HELD = "SELECT pg_advisory_xact_lock(4711)"


class Watched:
    """Connects, and knows every connection that was made."""

    def __init__(self, url: str) -> None:
        where = make_url(url)
        self.connect = partial(
            asyncpg.connect,
            host=where.host,
            port=where.port,
            user=where.username,
            password=where.password,
            database=where.database,
            # A caller that is canceled while the driver asks for TLS leaves a complaint in the log.
            ssl=False,
            server_settings={"application_name": "the driver tests"},
        )
        self.made: list[Any] = []
        self.most_open = 0

    async def __call__(self) -> Any:
        connection = await self.connect()
        self.made.append(connection)
        self.most_open = max(self.most_open, self.open)
        return connection

    @property
    def open(self) -> int:
        return sum(not connection.is_closed() for connection in self.made)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def watched(server: Server) -> Watched:
    return Watched(server.url)


@pytest.fixture
async def onlooker(watched: Watched) -> AsyncIterator[Any]:
    connection = await watched.connect(server_settings={"application_name": "an onlooker"})
    try:
        yield connection
    finally:
        await connection.close()


def some(watched: Callable[[], Awaitable[Any]], **changes: float) -> DriverConnections:
    seconds = {"wait_seconds": 10.0, "silence_seconds": 10.0, **changes}
    return DriverConnections(watched, size=SIZE, **seconds)


async def number(connections: DriverConnections, value: int = 1) -> int:
    (row,) = await connections.fetch("SELECT $1::int AS number", [value])
    found: int = row["number"]
    return found


async def every_place_is_free(connections: DriverConnections) -> bool:
    """As many as there are, all at once, each answered with its own."""
    values = list(range(SIZE * 4))
    return await asyncio.gather(*(number(connections, each) for each in values)) == values


async def until_none_is_left(onlooker: Any) -> None:
    """The server learns a little later that a connection was cut."""
    async with asyncio.timeout(10):
        while await onlooker.fetchval(MINE):
            pass


async def test_there_are_never_more_than_was_said_and_they_are_kept(watched: Watched) -> None:
    connections = some(watched)
    for _ in range(5):
        values = list(range(50))
        assert await asyncio.gather(*(number(connections, each) for each in values)) == values
    assert watched.most_open == len(watched.made) == SIZE
    await connections.close()
    assert watched.open == 0


async def test_one_caller_at_a_time_takes_one_connection(watched: Watched) -> None:
    connections = some(watched)
    for value in range(20):
        assert await number(connections, value) == value
    assert len(watched.made) == 1
    await connections.close()


async def test_a_caller_that_is_canceled_at_any_await_leaks_and_breaks_nothing(
    watched: Watched, onlooker: Any
) -> None:
    connections = some(watched)
    for turns in (*range(40), *range(40, 1_500, 40)):
        # New ones have to be made each time, and some wait for a place.
        callers = [asyncio.create_task(number(connections, value)) for value in range(2 * SIZE)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for caller in callers[::2]:
            caller.cancel()
        told = await asyncio.gather(*callers, return_exceptions=True)
        assert told[1::2] == list(range(2 * SIZE))[1::2]
        assert await every_place_is_free(connections)
        assert watched.open <= SIZE
        if turns % 3:
            for connection in connections._idle:
                connection.terminate()
    await connections.close()
    assert watched.open == 0
    await until_none_is_left(onlooker)


async def test_a_connection_that_is_busy_for_one_who_left_is_never_used_again(
    watched: Watched, onlooker: Any
) -> None:
    connections = some(watched)
    assert await every_place_is_free(connections)
    async with onlooker.transaction():
        await onlooker.execute(HELD)
        waiting = [asyncio.create_task(connections.fetch(HELD, [])) for _ in range(SIZE)]
        await _until_waiting(onlooker, SIZE)
        for caller in waiting:
            caller.cancel()
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in told] == [asyncio.CancelledError] * SIZE
        assert await every_place_is_free(connections)
    assert len(watched.made) == 2 * SIZE
    await connections.close()


async def test_who_waits_for_a_place_in_vain_is_told_that_nothing_was_done(
    watched: Watched, onlooker: Any
) -> None:
    connections = some(watched, wait_seconds=0.05)
    async with onlooker.transaction():
        await onlooker.execute(HELD)
        waiting = [asyncio.create_task(connections.fetch(HELD, [])) for _ in range(SIZE)]
        await _until_waiting(onlooker, SIZE)
        with pytest.raises(StorageUnavailable):
            await number(connections)
        gone = asyncio.create_task(number(connections))
        await asyncio.sleep(0)
        gone.cancel()
    await asyncio.gather(*waiting)
    await asyncio.wait({gone})
    assert gone.cancelled()
    assert await every_place_is_free(connections)
    await connections.close()


async def test_a_server_that_refuses_or_is_not_there_is_unavailable_and_takes_no_place(
    server: Server, watched: Watched
) -> None:
    strangers = DriverConnections(
        partial(watched.connect, password="wrong"), size=1, wait_seconds=5, silence_seconds=5
    )
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            await number(strangers)
    connections = some(watched)
    server.kill()
    try:
        for _ in range(2 * SIZE):
            with pytest.raises(StorageUnavailable):
                await number(connections)
    finally:
        server.start()
    assert await every_place_is_free(connections)
    await connections.close()


async def test_a_restart_of_the_server_costs_each_connection_at_most_one_fault(
    server: Server, watched: Watched
) -> None:
    connections = some(watched)
    for end in (server.restart, server.kill):
        assert await every_place_is_free(connections)
        await asyncio.to_thread(end)
        if end == server.kill:
            await asyncio.to_thread(server.start)
        faults = 0
        for _ in range(2 * SIZE):
            try:
                await number(connections)
            except ConnectionLost:
                faults += 1
        assert faults <= SIZE
        assert await every_place_is_free(connections)
    await connections.close()


async def test_what_was_under_way_when_the_server_died_is_lost_not_unavailable(
    server: Server, watched: Watched, onlooker: Any
) -> None:
    """Whether it was done is not known."""
    connections = some(watched)
    async with onlooker.transaction():
        await onlooker.execute(HELD)
        waiting = [asyncio.create_task(connections.fetch(HELD, [])) for _ in range(SIZE)]
        await _until_waiting(onlooker, SIZE)
        statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name"
        await onlooker.execute(f"{statement} = 'the driver tests'")
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told] == [ConnectionLost] * SIZE
    assert await every_place_is_free(connections)
    await connections.close()


async def test_a_server_that_falls_silent_is_cut_and_the_places_come_back(
    server: Server, watched: Watched
) -> None:
    connections = some(watched, silence_seconds=0.1)
    assert await every_place_is_free(connections)
    server.freeze()
    try:
        told = await asyncio.gather(
            *(number(connections) for _ in range(SIZE)), return_exceptions=True
        )
    finally:
        server.thaw()
    assert [type(each) for each in told] == [ConnectionLost] * SIZE
    assert watched.open == 0
    assert await every_place_is_free(connections)
    await connections.close()


async def test_a_refused_statement_leaves_its_connection_whole(watched: Watched) -> None:
    connections = some(watched)
    refused: list[tuple[str, list[Any]]] = [
        ("SELECT 1/0", []),
        ("SELECT nonsense()", []),
        ("SELECT $1::int", ["no number"]),
        ("SELECT $1::int", [2**40]),
        ("SELECT $1::text", ["\ud800"]),
        ("SELECT $1::text", ["\0"]),
        ("SELECT $1::int", []),
    ]
    for text, arguments in refused:
        asking = asyncio.create_task(connections.fetch(text, arguments))
        await asyncio.wait({asking})
        assert asking.exception() is not None
        assert not isinstance(asking.exception(), StorageUnavailable | ConnectionLost)
        assert await number(connections, 7) == 7
    assert len(watched.made) == 1
    await connections.close()


async def test_a_column_that_is_not_there_is_a_schema_that_is_not_migrated(
    watched: Watched,
) -> None:
    """A new version on the schema before: nobody is told that something went wrong here."""
    connections = some(watched)
    with pytest.raises(StorageUnavailable):
        await connections.fetch("SELECT nonsense", [])
    assert await number(connections, 7) == 7
    await connections.close()


async def test_what_is_in_use_when_they_are_closed_ends_and_is_closed_too(
    watched: Watched, onlooker: Any
) -> None:
    connections = some(watched)
    assert await every_place_is_free(connections)
    async with onlooker.transaction():
        await onlooker.execute(HELD)
        waiting = asyncio.create_task(connections.fetch(HELD, []))
        await _until_waiting(onlooker, 1)
        await connections.close()
        assert watched.open == 1
    assert len(await waiting) == 1
    assert watched.open == 0
    await until_none_is_left(onlooker)


async def test_when_the_server_says_nothing_to_a_goodbye_all_are_let_go_all_the_same(
    server: Server, watched: Watched
) -> None:
    connections = some(watched)
    assert await every_place_is_free(connections)
    server.freeze()
    try:
        closing = asyncio.create_task(connections.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        assert watched.open == 0
    finally:
        server.thaw()


async def _until_waiting(onlooker: Any, count: int) -> None:
    """Until so many wait for the lock that the onlooker holds."""
    async with asyncio.timeout(10):
        while count != await onlooker.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            pass
