"""Where one message ends and the next begins, nobody may be fooled, and nobody loses an answer."""

import asyncio
import json

import pytest

from application.json_text import render
from tests.journeys.api import ORDER, Api, a_key, an_order, assert_problem
from tests.journeys.raw import RawConnection, connected, exchange, post_order, request
from tests.journeys.server import HarborServer

pytestmark = pytest.mark.anyio

NEXT = request("GET", "/health")


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
@pytest.mark.parametrize("apart", [False, True])
async def test_a_body_behind_an_upgrade_is_the_body(
    sqlite_server: HarborServer, sqlite_api: Api, protocol: str, apart: bool
) -> None:
    """Java's client asks for h2c with each of its first requests."""
    order = an_order()
    data = post_order(sqlite_api.api_key, a_key(), order, Connection="Upgrade", Upgrade=protocol)
    body = render(order)
    async with connected(sqlite_server) as connection:
        if apart:
            await connection.send(data.removesuffix(body))
            await connection.send(body)
        else:
            await connection.send(data)
        await connection.send(NEXT)
        assert (await connection.answer()).status == 201
        assert (await connection.answer()).status == 200
    assert len(await sqlite_api.walk("/v1/orders")) == 1


async def test_a_request_inside_a_body_is_never_run(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    inner = post_order(sqlite_api.api_key, a_key(), an_order())
    headers = {"Connection": "Upgrade", "Upgrade": "h2c", "Content-Type": "application/json"}
    async with connected(sqlite_server) as connection:
        await connection.send(request("POST", "/v1/orders", headers, inner))
        assert (await connection.answer()).status == 401
    assert await sqlite_api.walk("/v1/orders") == []


async def test_a_tunnel_is_not_opened(sqlite_server: HarborServer) -> None:
    assert (await exchange(sqlite_server, request("CONNECT", "harbor:443"))).status == 501


def _chunked(headers: dict[str, str], trailers: bytes) -> bytes:
    body = render(ORDER)
    head = request("POST", "/v1/orders", {**headers, "Transfer-Encoding": "chunked"})
    return head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailers)


async def test_a_trailer_is_not_a_header(sqlite_server: HarborServer, sqlite_api: Api) -> None:
    trailers = f"Authorization: Bearer {sqlite_api.api_key}\r\nIdempotency-Key: {a_key()}\r\n"
    data = _chunked({"Content-Type": "application/json"}, trailers.encode())
    async with connected(sqlite_server) as connection:
        await connection.send(data + NEXT)
        refused = await connection.answer()
        assert (refused.status, json.loads(refused.body)["code"]) == (401, "api_key_missing")
        assert (await connection.answer()).status == 200
    assert await sqlite_api.walk("/v1/orders") == []


@pytest.mark.parametrize("field", [b"X: " + b"x" * 8_000, b"X: x\r\n" * 1_500])
async def test_a_trailer_that_does_not_end_closes_the_connection(
    sqlite_server: HarborServer, field: bytes
) -> None:
    data = _chunked({"Content-Type": "application/json"}, b"").removesuffix(b"\r\n")
    async with connected(sqlite_server) as connection:
        await connection.send(data)
        with pytest.raises(ConnectionError):
            await _send_often(connection, field)


async def _send_often(connection: RawConnection, data: bytes) -> None:
    for _ in range(1_000):
        await connection.send(data)
        # The reset arrives between two sends.
        await asyncio.sleep(0)


async def test_a_large_request_is_answered_though_the_next_has_begun(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    order = an_order(metadata={f"key{number}": "v" * 480 for number in range(40)})
    async with connected(sqlite_server) as connection:
        await connection.send(post_order(sqlite_api.api_key, a_key(), order) + NEXT[:30])
        assert (await connection.answer()).status == 201
        await connection.send(NEXT[30:])
        assert (await connection.answer()).status == 200


async def test_what_came_whole_is_answered_before_what_is_refused(
    sqlite_server: HarborServer,
) -> None:
    async with connected(sqlite_server) as connection:
        await connection.send(NEXT * 300 + b"no http\r\n\r\n")
        for _ in range(300):
            assert (await connection.answer()).status == 200
        await connection.rest()


@pytest.mark.parametrize("path", ["/health", "/ready", "/v1/orders"])
async def test_head_is_get_without_the_body(sqlite_api: Api, path: str) -> None:
    got = await sqlite_api.get(path)
    head = await sqlite_api.client.head(path, headers=sqlite_api.bearer)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
async def test_a_request_names_one_host(sqlite_server: HarborServer, hosts: bytes) -> None:
    async with connected(sqlite_server) as connection:
        await connection.send(b"GET /health HTTP/1.1\r\n" + hosts + b"\r\n")
        answer = await connection.answer()
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "malformed_request")


async def test_an_id_may_be_written_in_capitals(sqlite_api: Api) -> None:
    placed = await sqlite_api.placed()
    fetched = await sqlite_api.get(f"/v1/orders/{placed['id'].upper()}")
    assert fetched.json() == placed
    assert_problem(await sqlite_api.get("/v1/orders/x"), 404, "order_not_found")


async def test_many_upgrades_in_one_packet_are_all_answered(sqlite_server: HarborServer) -> None:
    wish = request("GET", "/health", {"Connection": "Upgrade", "Upgrade": "h2c"})
    async with connected(sqlite_server) as connection:
        await connection.send(wish * 1_500)
        for _ in range(1_500):
            assert (await connection.answer()).status == 200


async def test_a_whole_request_is_answered_though_the_next_ones_body_is_broken(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    broken = _chunked({"Content-Type": "application/json"}, b"").replace(b"0\r\n\r\n", b"zz\r\n")
    async with connected(sqlite_server) as connection:
        await connection.send(post_order(sqlite_api.api_key, a_key(), an_order()) + broken)
        assert (await connection.answer()).status == 201
        assert await connection.is_closed()


async def test_a_broken_body_is_a_bad_request(sqlite_server: HarborServer) -> None:
    broken = _chunked({}, b"").replace(b"0\r\n\r\n", b"zz\r\n")
    async with connected(sqlite_server) as connection:
        await connection.send(broken)
        assert (await connection.answer()).status == 400
        assert await connection.is_closed()
