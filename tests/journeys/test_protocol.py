"""HTTP as it comes over a socket: slow, large, cut off, pipelined, old, or no HTTP at all."""

import asyncio
import contextlib
import json
from collections.abc import Iterator

import pytest

from application.json_text import render
from tests.journeys.api import (
    ORDER,
    Api,
    a_key,
    an_order,
    assert_problem,
    client_of,
    new_merchant,
    path_of_key,
)
from tests.journeys.raw import connected, exchange, post_order, request
from tests.journeys.server import Harbor, HarborServer

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 0.5
BODY = render(ORDER)


@pytest.fixture(scope="module")
def impatient(on_sqlite: Harbor) -> Iterator[HarborServer]:
    """A server that waits for half a second only."""
    limit = str(LIMIT_SECONDS)
    limits = {"HARBOR_HEAD_SECONDS": limit, "HARBOR_BODY_SECONDS": limit}
    with on_sqlite.serving("--no-worker", **limits) as server:
        yield server


@pytest.mark.parametrize("head", [b"", b"G", b"GET /health HTTP/1.1\r\n", b"GET /health HTTP/1.1"])
async def test_a_head_that_does_not_end_is_ended(impatient: HarborServer, head: bytes) -> None:
    async with connected(impatient) as connection:
        await connection.send(head)
        assert (await connection.answer()).status == 408
        assert await connection.is_closed()


async def test_a_head_that_drips_is_ended(impatient: HarborServer) -> None:
    """Every byte is on time and the whole is not."""
    async with connected(impatient) as connection:
        answering = asyncio.create_task(connection.answer())
        for byte in request("GET", "/health", {"X-Long": "x" * 200}):
            if answering.done():
                break
            await connection.send(bytes([byte]))
            await asyncio.wait({answering}, timeout=LIMIT_SECONDS / 20)
        assert (await answering).status == 408


async def test_a_second_head_that_does_not_end_is_ended(impatient: HarborServer) -> None:
    async with connected(impatient) as connection:
        await connection.send(request("GET", "/health"))
        assert (await connection.answer()).status == 200
        await connection.send(b"GET /hea")
        assert (await connection.answer()).status == 408
        assert await connection.is_closed()


async def test_a_connection_may_rest_between_two_requests(impatient: HarborServer) -> None:
    async with connected(impatient) as connection:
        for _ in range(2):
            await connection.send(request("GET", "/health"))
            assert (await connection.answer()).status == 200
            await asyncio.sleep(1.5 * LIMIT_SECONDS)
        await connection.send(request("GET", "/health"))
        assert (await connection.answer()).status == 200


async def test_a_body_that_does_not_end_is_a_problem(
    impatient: HarborServer, sqlite_api: Api
) -> None:
    whole = post_order(sqlite_api.api_key, a_key(), an_order())
    async with connected(impatient) as connection:
        await connection.send(whole[:-1])
        answer = await connection.answer()
        assert (answer.status, json.loads(answer.body)["code"]) == (408, "request_timeout")
        assert answer.headers["connection"] == "close"
        assert await connection.is_closed()
    assert (await sqlite_api.get("/v1/orders")).json()["data"] == []


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    "headers",
    [{"X-Long": "x" * 16_384}, {f"X-{n}": "x" * 1_000 for n in range(17)}, {"x" * 16_384: ""}],
    ids=["one value", "17 values", "one name"],
)
async def test_a_head_over_16_kb_is_refused(
    sqlite_server: HarborServer, headers: dict[str, str], pieces: int
) -> None:
    data = request("GET", "/health", headers)
    size = -(-len(data) // pieces)
    async with connected(sqlite_server) as connection:
        answering = asyncio.create_task(connection.answer())
        for start in range(0, len(data), size):
            if answering.done():
                break
            await connection.send(data[start : start + size])
            await asyncio.sleep(0)
        assert (await answering).status == 431


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind another"])
async def test_a_field_counts_with_the_space_that_it_lacks(
    sqlite_server: HarborServer, *, behind: bool
) -> None:
    """How a head is cut on its way does not matter."""
    fields = [b"Host:harbor", *(b"X-%02d:%b" % (number, b"x" * 395) for number in range(40))]
    head = b"\r\n".join([b"GET /health HTTP/1.1", *fields, b"X-99:"])
    head = head.ljust(16_380, b"x") + b"\r\n\r\n"
    async with connected(sqlite_server) as connection:
        if behind:
            await connection.send(request("GET", "/health") + head)
            assert (await connection.answer()).status == 200
            assert await connection.is_closed()
        else:
            await connection.send(head)
            assert (await connection.answer()).status == 431


async def test_a_head_of_almost_16_kb_is_taken(sqlite_server: HarborServer) -> None:
    headers = {f"X-{n}": "x" * 1_000 for n in range(15)}
    assert (await exchange(sqlite_server, request("GET", "/health", headers))).status == 200


async def test_an_address_over_4_kb_is_refused(sqlite_server: HarborServer) -> None:
    for target in ("/" + "x" * 4_096, "/health?" + "x" * 4_096):
        answer = await exchange(sqlite_server, request("GET", target))
        assert answer.status == 414
        assert b"uri_too_long" in answer.body
        assert "x-request-id" in answer.headers


async def test_an_address_over_8_kb_is_refused_before_it_is_a_request(
    sqlite_server: HarborServer,
) -> None:
    for size, is_problem in ((8_192, True), (8_193, False)):
        answer = await exchange(sqlite_server, request("GET", "/".ljust(size, "x")))
        assert answer.status == 414
        assert bool(answer.body) is is_problem


async def test_an_address_of_4_kb_is_taken(sqlite_server: HarborServer) -> None:
    target = "/health?x=".ljust(4_096, "x")
    assert (await exchange(sqlite_server, request("GET", target))).status == 200


async def test_64_headers_are_taken_and_65_refused(sqlite_server: HarborServer) -> None:
    for count, status in ((63, 200), (64, 431)):  # and Host
        headers = {f"X-{n}": "x" for n in range(count)}
        assert (await exchange(sqlite_server, request("GET", "/health", headers))).status == status


async def test_a_body_of_64_kb_is_taken_and_one_byte_more_refused(sqlite_api: Api) -> None:
    most = BODY + b" " * (65_536 - len(BODY))
    assert (await sqlite_api.post("/v1/orders", most)).status_code == 201
    too_much = await sqlite_api.post("/v1/orders", most + b" ")
    assert_problem(too_much, 413, "body_too_large")


def _chunked(api_key: str, key: str, *chunks: bytes) -> bytes:
    head = request(
        "POST",
        "/v1/orders",
        {
            "Authorization": f"Bearer {api_key}",
            "Idempotency-Key": key,
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
        },
    )
    parts = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
    return head + b"".join(parts) + b"0\r\n\r\n"


async def test_a_chunked_body_is_the_same_request(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    key = a_key()
    pieces = [BODY[i : i + 10] for i in range(0, len(BODY), 10)]
    first = await exchange(sqlite_server, _chunked(sqlite_api.api_key, key, *pieces))
    assert first.status == 201
    retry = await sqlite_api.post("/v1/orders", BODY, key)
    assert (retry.status_code, retry.content) == (200, first.body)


async def test_a_chunked_body_is_counted_as_it_arrives(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    data = _chunked(sqlite_api.api_key, a_key(), BODY, *[b" " * 1_000] * 66)
    answer = await exchange(sqlite_server, data)
    assert (answer.status, json.loads(answer.body)["code"]) == (413, "body_too_large")


async def test_a_client_that_sends_5_mb_can_read_why_they_are_refused(sqlite_api: Api) -> None:
    answer = await sqlite_api.post("/v1/orders", BODY + b" " * 5_000_000)
    assert_problem(answer, 413, "body_too_large")
    assert (await sqlite_api.place()).status_code == 201


async def test_a_client_that_never_stops_sending_is_cut_off(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    head = _chunked(sqlite_api.api_key, a_key())[: -len(b"0\r\n\r\n")]
    chunk = b"%x\r\n%b\r\n" % (65_536, b" " * 65_536)
    most = 2**27
    sent = 0
    async with connected(sqlite_server) as connection:
        await connection.send(head)
        with contextlib.suppress(ConnectionError):
            while sent < most:
                await connection.send(chunk)
                sent += len(chunk)
    assert sent < most


async def test_a_client_may_ask_before_it_sends_the_body(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    data = post_order(sqlite_api.api_key, a_key(), an_order(), Expect="100-continue")
    head, _, body = data.partition(b"\r\n\r\n")
    async with connected(sqlite_server) as connection:
        await connection.send(head + b"\r\n\r\n")
        assert (await connection.answer()).status == 100
        await connection.send(body)
        assert (await connection.answer()).status == 201


async def test_a_client_that_asks_is_told_no_before_it_sends_too_much(
    sqlite_server: HarborServer,
) -> None:
    head = request("POST", "/v1/orders", {"Expect": "100-continue", "Content-Length": "5000000"})
    async with connected(sqlite_server) as connection:
        await connection.send(head)
        assert (await connection.answer()).status == 413
        assert await connection.is_closed()


async def test_pipelined_requests_are_answered_in_order(server: HarborServer, api: Api) -> None:
    keys = [a_key(), a_key()]
    posts = [post_order(api.api_key, key, an_order()) for key in (*keys, *keys)]
    async with connected(server) as connection:
        await connection.send(b"".join([*posts, request("GET", "/health")]))
        answers = [await connection.answer() for _ in range(5)]
    assert [answer.status for answer in answers] == [201, 201, 200, 200, 200]
    assert [answer.body for answer in answers[:2]] == [answer.body for answer in answers[2:4]]
    assert json.loads(answers[4].body) == {"status": "ok"}


async def test_http_1_0_is_answered_and_closed(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    data = post_order(sqlite_api.api_key, a_key(), an_order()).replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(sqlite_server) as connection:
        await connection.send(data)
        assert (await connection.answer()).status == 201
        assert await connection.is_closed()


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.3", "nonsense"])
async def test_an_upgrade_is_not_made(
    sqlite_server: HarborServer, sqlite_api: Api, protocol: str
) -> None:
    headers = {
        "Authorization": f"Bearer {sqlite_api.api_key}",
        "Connection": "Upgrade",
        "Upgrade": protocol,
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    answer = await exchange(sqlite_server, request("GET", "/v1/orders", headers))
    assert (answer.status, json.loads(answer.body)["data"]) == (200, [])


async def test_an_upgrade_does_not_lose_a_body(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    data = post_order(
        sqlite_api.api_key, a_key(), an_order(), Connection="Upgrade", Upgrade="websocket"
    )
    assert (await exchange(sqlite_server, data)).status in (201, 400)
    assert len(await sqlite_api.walk("/v1/orders")) <= 1
    assert (await sqlite_api.place()).status_code == 201


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"\r\n" * 100 + b"\0",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"GET /health HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX : y\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nX: \0\r\n\r\n",
        b"GET /hea\0lth HTTP/1.1\r\n\r\n",
        b"GET /h\xc3\xa9alth HTTP/1.1\r\n\r\n",
    ],
    ids=lambda data: repr(data[:50]),
)
async def test_what_is_no_http_is_refused_and_the_server_lives(
    sqlite_server: HarborServer, data: bytes
) -> None:
    answer = await exchange(sqlite_server, data)
    assert 400 <= answer.status < 500
    assert (await exchange(sqlite_server, request("GET", "/health"))).status == 200


async def test_a_body_that_stops_being_http_is_refused(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    data = _chunked(sqlite_api.api_key, a_key(), BODY)
    async with connected(sqlite_server) as connection:
        await connection.send(data.replace(b"0\r\n\r\n", b"zz\r\n\r\n"))
        assert (await connection.answer()).status == 400
        assert await connection.is_closed()
    assert (await sqlite_api.get("/v1/orders")).json()["data"] == []


async def test_a_client_may_leave_at_any_byte(server: HarborServer, api: Api) -> None:
    """Of its request, and before it has read the answer."""
    key = a_key()
    data = post_order(api.api_key, key, an_order())
    for cut in range(len(data) + 1):
        async with connected(server) as connection:
            await connection.send(data[:cut])
            connection.abort()
    answers = [await api.post("/v1/orders", an_order(), key) for _ in range(2)]
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert answers[0].content == answers[1].content
    assert len(await api.walk("/v1/orders")) == 1
    assert (await api.get(path_of_key(key))).json()["state"] == "completed"
    assert (await api.get("/ready")).status_code == 200


async def test_clients_that_all_leave_at_once_leave_the_pool_whole(
    server: HarborServer, api: Api
) -> None:
    keys = [a_key() for _ in range(60)]

    async def leave(key: str) -> None:
        async with connected(server) as connection:
            await connection.send(post_order(api.api_key, key, an_order()))
            connection.abort()

    await asyncio.gather(*(leave(key) for key in keys))
    placed = await asyncio.gather(*(api.place(key) for key in keys))
    assert {answer.status_code for answer in placed} <= {200, 201}
    assert len(await api.walk("/v1/orders")) == len(keys)


class _ImpatientError(Exception):
    pass


async def _leave_when_sent(event: str, _: object) -> None:
    if event == "http11.send_request_body.complete":
        raise _ImpatientError


async def test_a_client_that_waits_no_longer_finds_its_order(
    server: HarborServer, harbor: Harbor
) -> None:
    api_key = await new_merchant(harbor)
    key = a_key()
    async with client_of(server) as client:
        with pytest.raises(_ImpatientError):
            await Api(client, api_key).client.post(
                "/v1/orders",
                json=an_order(),
                headers={"Authorization": f"Bearer {api_key}", "Idempotency-Key": key},
                extensions={"trace": _leave_when_sent},
            )
        retry = await Api(client, api_key).place(key)
        assert retry.status_code in (200, 201)
        outcome = (await Api(client, api_key).get(path_of_key(key))).json()
        assert outcome["order"]["id"] == retry.json()["id"]
