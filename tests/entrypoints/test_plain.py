"""What goes past the edge is what the edge lets pass."""

from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from entrypoints.http.headers import header_values, name_headers
from entrypoints.http.limits import BODY, MAX_BODY_BYTES, WHOLE, Limits
from entrypoints.http.plain import Plain

pytestmark = pytest.mark.anyio

HOST = (b"host", b"harbor")


async def _went(**changes: Any) -> tuple[bool, int | None]:
    """Whether it went past the edge, and how Limits refused it."""
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "raw_path": b"/v1/orders",
        "query_string": b"",
        "headers": [HOST, (b"x", b"y")],
        "harbor.request_id": "an-id",
        WHOLE: b"{}",
    } | changes
    name_headers(scope)
    passed: list[str] = []
    sent: list[Message] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[BODY] == scope[WHOLE]
        passed.append("inner")

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append("edge")

    async def receive() -> Message:
        return {"type": "http.request", "body": scope.get(WHOLE, b""), "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Plain(inner, edge)(scope, receive, send)
    await Limits(edge, 1.0)(scope, receive, send)
    return passed[0] == "inner", next((message["status"] for message in sent), None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"method": "GET", WHOLE: b""},
        {WHOLE: b"x" * MAX_BODY_BYTES},
        {"raw_path": b"/v1/orders%20"},
        {"query_string": b"a=1&b=%C3%A9"},
        {"raw_path": b"/", "query_string": b"q=".ljust(4_095, b"x")},
        {"headers": [HOST, *((b"x-%d" % number, b"") for number in range(63))]},
        {"headers": [HOST, (b"transfer-encoding", b"chunked")]},
        {"headers": [HOST, (b"origin", b"https://shop.example")]},
    ],
    ids=str,
)
async def test_what_is_plain_is_let_pass_by_both(changes: dict[str, Any]) -> None:
    assert await _went(**changes) == (True, None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({WHOLE: b"x" * (MAX_BODY_BYTES + 1)}, 413),
        ({"raw_path": b"/v1%00"}, 400),
        ({"raw_path": b"/v1%0A"}, 400),
        ({"raw_path": b"/%FF"}, 400),
        ({"query_string": b"a=1&a=2"}, 400),
        ({"query_string": b"a=%FF"}, 400),
        ({"raw_path": b"/", "query_string": b"q=".ljust(4_096, b"x")}, 414),
        ({"headers": [HOST, *((b"x-%d" % number, b"") for number in range(64))]}, 431),
        ({"headers": [(b"x", b"y")]}, 400),
        ({"headers": [HOST, HOST]}, 400),
    ],
    ids=str,
)
async def test_what_is_refused_is_not_plain(changes: dict[str, Any], status: int) -> None:
    assert await _went(**changes) == (False, status)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "HEAD"},
        {"headers": [HOST, (b"expect", b"100-continue")]},
        {"headers": [HOST, (b"accept", b"a"), (b"accept", b"b")]},
        {"headers": [], "http_version": "1.0"},
    ],
    ids=str,
)
async def test_what_needs_a_second_look_is_not_plain(changes: dict[str, Any]) -> None:
    assert await _went(**changes) == (False, None)


async def test_what_has_not_come_whole_is_not_plain() -> None:
    scope: Scope = {"type": "http", "method": "GET", "headers": [HOST]}
    name_headers(scope)
    went = []

    async def edge(scope: Scope, receive: Receive, send: Send) -> None:
        went.append(scope)

    nothing: Any = None
    await Plain(nothing, edge)(scope, nothing, nothing)
    assert went == [scope]


@pytest.mark.parametrize("named", [True, False])
def test_headers_are_found_by_name(named: bool) -> None:
    scope: Scope = {"headers": [HOST, (b"a", b"1"), (b"b", b"2"), (b"b", b"3")]}
    if named:
        del scope["headers"][-1]
    name_headers(scope)
    assert header_values(scope, b"a") == [b"1"]
    assert header_values(scope, b"b") == ([b"2"] if named else [b"2", b"3"])
    assert header_values(scope, b"c") == []
