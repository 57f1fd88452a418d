"""Starting, stopping and starting again."""

import asyncio
import json
import shlex
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection, text

from adapters.sql.database import Database
from tests.databases import closing
from tests.journeys.api import Api, a_key, an_order, client_of, new_merchant
from tests.journeys.raw import RawConnection, connected, exchange, post_order, request
from tests.journeys.server import SECRET, Harbor, HarborServer
from tests.support.postgres import postgres_server

pytestmark = pytest.mark.anyio

IN_FLIGHT = 8


def _greeting(server: HarborServer) -> list[str]:
    """What the embedded default says on standard output, once all of it is there."""
    server.await_started()
    return server.out.all()


def _demo_key(server: HarborServer) -> str:
    return server.out.first(
        lambda line: line.rpartition(": ")[2] if "A demo merchant was made" in line else None
    )


def _curl_of(lines: list[str]) -> httpx2.Request:
    """The request that the greeting's curl command makes."""
    start = next(number for number, line in enumerate(lines) if line.startswith("curl "))
    words = shlex.split("\n".join(lines[start:]).replace("\\\n", " "))
    headers = [words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H"]
    url = next(word for word in words if word.startswith("http://"))
    return httpx2.Request("POST", url, headers=dict(headers), content=words[words.index("-d") + 1])


async def test_the_first_start_greets_with_a_key_and_a_command_that_places_an_order(
    tmp_path: Path,
) -> None:
    harbor = Harbor(tmp_path)
    with harbor.serving() as server:
        lines = _greeting(server)
        assert f"Harbor listens on {server.url}" in lines
        assert f"Docs: {server.url}/docs" in lines
        async with client_of(server) as client:
            first = await client.send(_curl_of(lines))
            second = await client.send(_curl_of(lines))
            assert (first.status_code, second.status_code) == (201, 200)
            assert first.content == second.content
            api = Api(client, _demo_key(server))
            paid = await api.until(first.json()["id"], "paid")
            assert await api.walk("/v1/orders") == [paid]


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
async def test_a_restart_keeps_orders_and_does_not_greet_with_a_second_merchant(
    tmp_path: Path, end: str
) -> None:
    harbor = Harbor(tmp_path)
    key = a_key()
    with harbor.serving() as server:
        api_key = _demo_key(server)
        async with client_of(server) as client:
            api = Api(client, api_key)
            placed = await api.place(key)
            await api.paid()
            await api.until(placed.json()["id"], "paid")
            paid = await api.get(placed.headers["location"])
            cursor = (await api.get("/v1/orders?limit=1")).json()["next_cursor"]
        if end == "SIGTERM":
            server.stop()
    with harbor.serving() as server:
        lines = _greeting(server)
        assert lines[:2] == [f"Harbor listens on {server.url}", f"Docs: {server.url}/docs"]
        assert not [line for line in lines if "demo merchant" in line or "hk_" in line]
        async with client_of(server) as client:
            api = Api(client, api_key)
            retry = await api.place(key)
            assert (retry.status_code, retry.content) == (200, placed.content)
            assert (await api.get(placed.headers["location"])).content == paid.content
            page = await api.get(f"/v1/orders?limit=1&cursor={cursor}")
            assert [order["id"] for order in page.json()["data"]] == [placed.json()["id"]]
            assert len(await api.walk("/v1/orders")) == 2


async def _about_to_send(connection: RawConnection, data: bytes) -> bytes:
    """Send the head and wait until the server asks for the body. The body."""
    head, _, body = data.partition(b"\r\n\r\n")
    await connection.send(head + b"\r\n\r\n")
    assert (await connection.answer()).status == 100
    return body


async def test_a_server_told_to_stop_answers_what_it_has_accepted(harbor: Harbor) -> None:
    server = harbor.start("--no-worker")
    try:
        await _stop_in_the_middle(server, await new_merchant(harbor))
    finally:
        server.kill()


async def _stop_in_the_middle(server: HarborServer, api_key: str) -> None:
    keys = [a_key() for _ in range(IN_FLIGHT)]

    async def send(key: str) -> tuple[int, bytes]:
        async with connected(server) as connection:
            data = post_order(api_key, key, an_order(), Expect="100-continue")
            body = await _about_to_send(connection, data)
            accepted.release()
            await stopping.wait()
            await connection.send(body)
            answer = await connection.answer()
            assert await connection.is_closed()
            return answer.status, answer.body

    accepted, stopping = asyncio.Semaphore(0), asyncio.Event()
    sending = [asyncio.create_task(send(key)) for key in keys]
    for _ in keys:
        await accepted.acquire()
    server.terminate()
    await asyncio.to_thread(server.err.first, _shuts_down)
    stopping.set()
    answers = await asyncio.gather(*sending)
    assert {status for status, _ in answers} == {201}
    assert len({json.loads(body)["id"] for _, body in answers}) == IN_FLIGHT
    await asyncio.to_thread(server.process.wait, 20)
    with pytest.raises(ConnectionRefusedError):
        await exchange(server, request("GET", "/health"))


async def test_a_server_told_to_stop_waits_for_the_database(on_postgresql: Harbor) -> None:
    api_key = await new_merchant(on_postgresql)
    with on_postgresql.serving(HARBOR_LOCK_SECONDS="20", HARBOR_STATEMENT_SECONDS="20") as server:
        async with (
            closing(Database(on_postgresql.database_url)) as database,
            client_of(server) as client,
            database.transaction() as holder,
        ):
            await holder.execute(text("LOCK TABLE orders IN SHARE MODE"))
            api = Api(client, api_key)
            keys = [a_key() for _ in range(IN_FLIGHT)]
            placing = [asyncio.create_task(api.place(key)) for key in keys]
            # The first are in the database, the others wait for the next commit.
            await _until_waiting(database, 1)
            for key in keys:
                await api.until_in_progress(key)
            server.terminate()
            await asyncio.to_thread(server.err.first, _shuts_down)
            await holder.run_sync(Connection.rollback)
            answers = await asyncio.gather(*placing)
        assert {answer.status_code for answer in answers} == {201}
        await asyncio.to_thread(server.process.wait, 20)


async def test_a_server_told_to_stop_ends_though_its_database_is_silent(tmp_path: Path) -> None:
    """Its connections are idle in the pool, and the database will not even say goodbye."""
    with postgres_server() as postgresql:
        harbor = Harbor(
            tmp_path,
            {"HARBOR_DATABASE_URL": postgresql.url, "HARBOR_SECRET_KEY": SECRET},
        )
        await asyncio.to_thread(harbor.run, "migrate")
        with harbor.serving() as server:
            async with client_of(server) as client:
                assert (await client.get("/ready")).status_code == 200
            postgresql.freeze()
            server.terminate()
            await asyncio.to_thread(server.process.wait, 20)
            postgresql.thaw()


def _shuts_down(line: str) -> bool | None:
    return "Shutting down" in line or None


async def _until_waiting(database: Database, count: int) -> None:
    """Until so many statements wait for the lock on the orders of this database."""
    statement = text(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with asyncio.timeout(10):
        while True:
            async with database.statement() as connection:
                if await connection.scalar(statement) == count:
                    return


async def test_a_client_that_never_ends_its_request_does_not_hold_up_the_end(
    on_sqlite: Harbor, sqlite_api: Api
) -> None:
    with on_sqlite.serving("--no-worker", HARBOR_SHUTDOWN_SECONDS="1") as server:
        async with connected(server) as connection:
            data = post_order(sqlite_api.api_key, a_key(), an_order(), Expect="100-continue")
            await _about_to_send(connection, data)
            await asyncio.to_thread(server.stop)
        assert not server.is_alive


async def test_several_server_processes_share_a_port(on_postgresql: Harbor) -> None:
    api_key = await new_merchant(on_postgresql)
    with on_postgresql.serving("--workers", "2") as server:
        key = a_key()
        async with client_of(server) as client:
            api = Api(client, api_key)
            answers = await asyncio.gather(*(api.place(key) for _ in range(30)))
            assert sorted({a.status_code for a in answers})[-1] == 201
            assert len({a.content for a in answers if a.status_code != 409}) == 1
            assert len(await api.walk("/v1/orders")) == 1
        await asyncio.to_thread(server.stop)
    assert not server.is_alive


async def test_two_that_start_at_once_on_a_new_directory_both_serve(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    first, second = await asyncio.gather(
        asyncio.to_thread(harbor.start, "--no-worker"),
        asyncio.to_thread(harbor.start, "--no-worker"),
    )
    try:
        key = a_key()
        api_key = next(
            line.rpartition(": ")[2]
            for server in (first, second)
            for line in _greeting(server)
            if "demo merchant" in line
        )
        async with client_of(first) as here, client_of(second) as there:
            placed, retry = (
                await Api(here, api_key).place(key),
                await Api(there, api_key).place(key),
            )
            assert (placed.status_code, retry.status_code) == (201, 200)
            assert placed.content == retry.content
            page = (await Api(here, api_key).get("/v1/orders?limit=1")).json()
            assert (await Api(there, api_key).get("/v1/orders?limit=1")).json() == page
    finally:
        first.kill()
        second.kill()
