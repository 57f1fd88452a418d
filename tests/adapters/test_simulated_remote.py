"""The simulated gateway over HTTP, when the other end does not keep to what was agreed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adapters.simulated.ledger import Ledger
from adapters.simulated.remote import RemoteSimulatedGateway, RemoteSimulatedGatewayProbe
from adapters.simulated.server import create_gateway_app
from application.ports.gateway import GatewayUnavailable
from domain.payment import Approved, Outcome, Unknown
from tests.adapters.ledger_writer import the_charge
from tests.contracts.gateways import WatchedLedger
from tests.fakes import NOW, FakeClock
from tests.serving import serving
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

REQUEST = the_charge("a-charge", 1998)
APPROVED: dict[str, object] = {
    "reference": REQUEST.reference,
    "outcome": "approved",
    "amount_minor": 1999,
    "currency": "EUR",
    "payment_id": "sim_1",
    "expires_at": None,
}
DECLINED: dict[str, object] = {
    "reference": REQUEST.reference,
    "outcome": "declined",
    "code": "card_declined",
    "message": "No.",
}
EFFECT: dict[str, object] = {
    "reference": REQUEST.reference,
    "kind": "charge",
    "amount_minor": 1999,
    "currency": "EUR",
    "at": NOW.isoformat(),
}


# A server that says whatever it is told to.

Says = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_server_that(says: Says) -> AsyncIterator[str]:
    async with asyncio.TaskGroup() as conversations:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                await says(writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            conversations.create_task(serve(reader, writer))

        async with await asyncio.start_server(accept, "127.0.0.1", 0) as listening:
            yield "http://{}:{}".format(*listening.sockets[0].getsockname())


@asynccontextmanager
async def a_client_of(url: str, **limits: Any) -> AsyncIterator[RemoteSimulatedGateway]:
    gateway = RemoteSimulatedGateway(url, **limits)
    try:
        yield gateway
    finally:
        await gateway.close()


def saying(content: bytes) -> Says:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()

    return say


def http(status: int, body: object = b"", *headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


async def dripping(writer: asyncio.StreamWriter) -> None:
    """A byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 16000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def pouring(writer: asyncio.StreamWriter) -> None:
    """As much as anyone takes, without an end."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


UNREADABLE = Unknown("unreadable")
UNANSWERED: dict[str, tuple[bytes, Outcome]] = {
    "nothing": (b"", UNREADABLE),
    "noise": (b"\0\xff" * 100 + b"\r\n\r\n", UNREADABLE),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-", UNREADABLE),
    "half a body": (http(200, APPROVED)[:-9], UNREADABLE),
    "two lengths": (http(200, APPROVED, "Content-Length: 3"), UNREADABLE),
    "too much": (http(200, b" " * 100_000), UNREADABLE),
    "no JSON": (http(200, b"<html>"), UNREADABLE),
    "packed": (http(200, b"\x1f\x8b", "Content-Encoding: gzip"), UNREADABLE),
    "half UTF-8": (http(200, b'"\xff"'), UNREADABLE),
    "a list": (http(200, [APPROVED]), UNREADABLE),
    "deep": (http(200, b"[" * 16_000), UNREADABLE),
    "a number too long": (http(200, b'{"amount_minor": ' + b"9" * 9_000 + b"}"), UNREADABLE),
    "created": (http(201, APPROVED), UNREADABLE),
    "elsewhere": (http(302, APPROVED, "Location: /operations"), UNREADABLE),
    "bad request": (http(400, APPROVED), UNREADABLE),
    "another reference": (http(200, APPROVED | {"reference": "other"}), Unknown("mismatch")),
    "a decline of another": (http(200, DECLINED | {"reference": "other"}), Unknown("mismatch")),
    "failure": (http(500, APPROVED), Unknown("gateway_error")),
    "not there": (
        http(503, b"", "Retry-After: 7"),
        Unknown("gateway_error", timedelta(seconds=7)),
    ),
    "key reused": (http(409, {"problem": "key_reused"}), Unknown("key_reused")),
    **{
        f"{name} is {value!r}": (http(200, answer | {name: value}), UNREADABLE)
        for answer, name, value in [
            (APPROVED, "outcome", "maybe"),
            (APPROVED, "outcome", None),
            (APPROVED, "reference", 1),
            (APPROVED, "amount_minor", "1999"),
            (APPROVED, "amount_minor", 1999.0),
            (APPROVED, "amount_minor", True),
            (APPROVED, "amount_minor", -1),
            (APPROVED, "amount_minor", 2**63),
            (APPROVED, "amount_minor", None),
            (APPROVED, "currency", "EURO"),
            (APPROVED, "currency", ["EUR"]),
            (APPROVED, "payment_id", None),
            (APPROVED, "payment_id", "x" * 256),
            (APPROVED, "payment_id", "\0"),
            (APPROVED, "expires_at", "tomorrow"),
            (APPROVED, "expires_at", "2026-11-21T00:00:00"),
            (APPROVED, "expires_at", "0001-01-01T00:00:00+14:00"),
            (APPROVED, "expires_at", 0),
            (DECLINED, "code", None),
            (DECLINED, "code", "x" * 65),
            (DECLINED, "code", "Card declined"),
            (DECLINED, "message", "\ud800"),
            (DECLINED, "message", ""),
        ]
    },
    **{
        f"no {name}": (http(200, {k: v for k, v in answer.items() if k != name}), UNREADABLE)
        for answer in (APPROVED, DECLINED)
        for name in answer
    },
}


@pytest.mark.parametrize("name", UNANSWERED)
async def test_what_is_no_answer_is_unknown_and_raises_nothing(name: str) -> None:
    content, outcome = UNANSWERED[name]
    async with a_server_that(saying(content)) as url, a_client_of(url) as gateway:
        assert await gateway.execute(REQUEST) == outcome
        assert await gateway.find(REQUEST) == outcome


@pytest.mark.parametrize(
    ("asked_for", "heeded"),
    [
        ("2", timedelta(seconds=2)),
        ("999999999", timedelta(hours=1)),
        ("soon", None),
        ("9999999999", None),
    ],
)
async def test_what_is_turned_away_has_touched_nothing(
    asked_for: str, heeded: timedelta | None
) -> None:
    content = http(429, b"", f"Retry-After: {asked_for}")
    async with a_server_that(saying(content)) as url, a_client_of(url) as gateway:
        assert await gateway.execute(REQUEST) == Unknown("throttled", heeded, untouched=True)
        assert await gateway.find(REQUEST) == Unknown("throttled", heeded)


async def test_what_was_agreed_is_understood() -> None:
    async with a_server_that(saying(http(200, APPROVED))) as url, a_client_of(url) as gateway:
        assert isinstance(await gateway.execute(REQUEST), Approved)


NOT_UNKNOWN_TO_IT = {
    "any web server": http(404, b"Not Found"),
    "any framework": http(404, {"detail": "Not Found"}),
    "another reference": http(404, {"problem": "reference_unknown", "reference": "other"}),
    "another status": http(410, {"problem": "reference_unknown", "reference": REQUEST.reference}),
}


@pytest.mark.parametrize("name", NOT_UNKNOWN_TO_IT)
async def test_only_the_gateway_itself_may_say_that_it_knows_nothing(name: str) -> None:
    """Otherwise an address that is wrong would be a reason to charge once more."""
    async with (
        a_server_that(saying(NOT_UNKNOWN_TO_IT[name])) as url,
        a_client_of(url) as gateway,
    ):
        assert await gateway.find(REQUEST) == UNREADABLE


@pytest.mark.parametrize("says", [dripping, saying(b"HTTP/1.1 200 OK\r\n")], ids=["drip", "end"])
async def test_an_answer_has_a_time_by_which_it_is_whole(says: Says) -> None:
    async with a_server_that(says) as url, a_client_of(url, answer_seconds=0.2) as gateway:
        assert isinstance(await gateway.execute(REQUEST), Unknown)


async def test_a_server_that_says_nothing_is_a_timeout() -> None:
    left = asyncio.Event()

    async def silence(_: asyncio.StreamWriter) -> None:
        await left.wait()

    async with a_server_that(silence) as url, a_client_of(url, answer_seconds=0.2) as gateway:
        assert await gateway.execute(REQUEST) == Unknown("timeout")
        assert await gateway.find(REQUEST) == Unknown("timeout")
        left.set()


async def test_an_answer_without_end_is_left_where_it_is() -> None:
    async with a_server_that(pouring) as url, a_client_of(url) as gateway:
        assert await gateway.execute(REQUEST) == UNREADABLE


async def test_a_url_that_is_none_is_unreachable() -> None:
    for url in ("", "nonsense", "ftp://127.0.0.1", "http://[::", "http://127.0.0.1:99999"):
        async with a_client_of(url) as gateway:
            assert await gateway.execute(REQUEST) == Unknown("unreachable")


NO_BOOKS = {
    "nothing": b"",
    "failure": http(500, {"data": [], "next": None}),
    "no JSON": http(200, b"[]"),
    "no data": http(200, {"next": None}),
    "data is an object": http(200, {"data": {}, "next": None}),
    "an effect is a text": http(200, {"data": ["effect"], "next": None}),
    "no amount": http(200, {"data": [EFFECT | {"amount_minor": None}], "next": None}),
    "another kind": http(200, {"data": [EFFECT | {"kind": "theft"}], "next": None}),
    "another moment": http(200, {"data": [EFFECT | {"at": "now"}], "next": None}),
    "another position": http(200, {"data": [EFFECT], "next": "1"}),
    "empty pages for ever": http(200, {"data": [], "next": "1-1"}),
    "the same page for ever": http(200, {"data": [EFFECT], "next": "1-1"}),
}


@pytest.mark.parametrize("name", NO_BOOKS)
async def test_books_that_cannot_be_read_are_unavailable(name: str) -> None:
    async with a_server_that(saying(NO_BOOKS[name])) as url, a_client_of(url) as gateway:
        with pytest.raises(GatewayUnavailable):
            _ = [effect async for effect in gateway.effects(NOW)]


async def test_the_probe_says_whether_the_gateway_answers(tmp_path: Path) -> None:
    async with served(tmp_path) as place, a_client_of(place.url) as gateway:
        finding = await RemoteSimulatedGatewayProbe(gateway).examine()
        assert (finding.name, finding.problem) == ("gateway", None)
    async with a_client_of(f"http://127.0.0.1:{free_port()}") as gateway:
        assert (await RemoteSimulatedGatewayProbe(gateway).examine()).problem
    async with a_server_that(saying(http(503))) as url, a_client_of(url) as gateway:
        assert (await RemoteSimulatedGatewayProbe(gateway).examine()).problem


# A client that asks for whatever comes to its mind.


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    url: str
    ledger: Ledger
    client: httpx2.AsyncClient


@asynccontextmanager
async def served(directory: Path, **seconds: float) -> AsyncIterator[Place]:
    ledger = Ledger(directory / "gateway.db", FakeClock())
    app = create_gateway_app(ledger, **{"slow_seconds": 0, **seconds})
    async with (
        serving(app) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield Place(url=url, ledger=ledger, client=client)


class Watched:
    """An application that tells when it has answered everyone who asked."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.under_way = 0
        self.idle = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.under_way += 1
        self.idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self.under_way -= 1
            if not self.under_way:
                self.idle.set()


ASKED: dict[str, object] = {
    "key": "a-key",
    "reference": "a-charge",
    "kind": "charge",
    "amount_minor": 1999,
    "currency": "EUR",
    "payment_method": None,
    "payment_id": None,
    "asked_at": NOW.isoformat(),
}

HOSTILE: dict[str, object] = {
    "nothing": b"",
    "no JSON": b"charge me",
    "half UTF-8": b'"\xff"',
    "deep": b"[" * 8_000,
    "a list": [ASKED],
    "a number": 1,
    **{
        f"{name} is {value!r}"[:60]: ASKED | {name: value}
        for name, value in [
            ("key", ""),
            ("key", "k" * 256),
            ("key", "a\0key"),
            ("key", "\ud800"),
            ("key", 1),
            ("reference", "a.dot"),
            ("reference", "../effects"),
            ("reference", None),
            ("kind", "theft"),
            ("kind", ["charge"]),
            ("amount_minor", "1"),
            ("amount_minor", True),
            ("amount_minor", 1.0),
            ("amount_minor", -1),
            ("amount_minor", 2**63),
            ("amount_minor", float("nan")),
            ("currency", "XXX"),
            ("currency", "eur"),
            ("payment_method", ""),
            ("payment_method", {"type": "card"}),
            ("payment_id", "a payment"),
            ("asked_at", "2026-11-21"),
            ("asked_at", "now"),
            ("asked_at", 0),
        ]
    },
    **{f"no {name}": {k: v for k, v in ASKED.items() if k != name} for name in ASKED},
}


async def post(place: Place, body: object) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await place.client.post("/operations", content=content)


async def test_a_request_that_breaks_a_rule_is_refused_and_nothing_is_done(tmp_path: Path) -> None:
    async with served(tmp_path) as place:
        for name, body in HOSTILE.items():
            answer = await post(place, body)
            assert answer.status_code == 400, name
            assert answer.json()["problem"] == "unreadable", name
        assert (await place.ledger.effects(NOW - timedelta(days=1))).effects == ()
        assert await place.ledger.calls("a-key") == ()
        assert (await post(place, ASKED)).status_code == 200


async def test_a_request_that_is_too_long_is_refused(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    async with served(tmp_path) as place:
        assert (await post(place, b" " * 9_000)).status_code == 413
        assert (await place.client.post("/operations", content=chunks())).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/operations", 405),
        ("PUT", "/operations", 405),
        ("POST", "/effects", 405),
        ("GET", "/operations/a%20space", 400),
        ("GET", "/operations/%00", 400),
        ("GET", f"/operations/{'x' * 129}", 400),
        ("GET", "/operations/a/b", 404),
        ("GET", "/operations/of-nobody", 404),
        ("GET", "/effects", 400),
        ("GET", "/effects?since=yesterday", 400),
        ("GET", "/effects?since=2026-11-21T00:00:00", 400),
        ("GET", "/effects?since=2026-11-21T00:00:00Z&after=1", 400),
        ("GET", "/effects?since=2026-11-21T00:00:00Z&after=9999999999999999999-1", 400),
        ("GET", "/effects?since=0001-01-01T00:00:00Z", 200),
        ("GET", "/effects?since=9999-12-31T23:59:59Z", 200),
    ],
)
async def test_every_refusal_is_a_client_error_with_a_problem(
    tmp_path: Path, method: str, path: str, status: int
) -> None:
    async with served(tmp_path) as place:
        answer = await place.client.request(method, path)
        assert answer.status_code == status
        assert status == 200 or answer.json()["problem"]


async def test_an_error_of_the_gateway_has_its_status(tmp_path: Path) -> None:
    async with served(tmp_path) as place:
        asked = ASKED | {"payment_method": "sim_error"}
        statuses = [(await post(place, asked)).status_code for _ in range(5)]
        assert statuses == [500, 500, 500, 200, 200]
        assert (await post(place, ASKED)).status_code == 409


async def test_a_caller_without_an_answer_is_not_kept_for_ever(tmp_path: Path) -> None:
    async with (
        served(tmp_path, silence_seconds=0.05) as place,
        a_client_of(place.url) as gateway,
    ):
        request = replace(REQUEST, payment_method="sim_timeout_after")
        assert await gateway.execute(request) == Unknown("gateway_error")
        assert isinstance(await gateway.find(request), Approved)


async def test_a_caller_who_leaves_is_not_waited_for(tmp_path: Path) -> None:
    ledger = WatchedLedger(tmp_path / "gateway.db", FakeClock())
    app = Watched(create_gateway_app(ledger, slow_seconds=3_600, silence_seconds=3_600))
    async with serving(app) as url, a_client_of(url) as gateway:
        for name in ("sim_slow", "sim_timeout_before"):
            request = replace(REQUEST, key=name, payment_method=name)
            asking = asyncio.create_task(gateway.execute(request))
            await ledger.dealt_with(name).wait()
            assert app.under_way == 1
            asking.cancel()
            await asyncio.wait([asking])
            await app.idle.wait()


async def test_a_ledger_that_cannot_be_used_is_an_error_and_no_outcome(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"what is this? " * 1_000)
    async with served(tmp_path) as place, a_client_of(place.url) as gateway:
        assert await gateway.execute(REQUEST) == Unknown("gateway_error")
        assert await gateway.find(REQUEST) == Unknown("gateway_error")
        with pytest.raises(GatewayUnavailable):
            await anext(gateway.effects(NOW))
        assert (await RemoteSimulatedGatewayProbe(gateway).examine()).problem
