"""The short way and the ordinary one answer alike, for every case of the contract."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI, HTTPException

from application.errors import (
    ApiKeyNotFound,
    IdempotencyKeyExpired,
    IdempotencyKeyReused,
    OrderNotFound,
    SecretNoLongerAvailable,
    Unauthenticated,
)
from application.ports.faults import KeyInProgress, OutcomeUnknown, StorageUnavailable
from domain.errors import DomainError
from entrypoints.http.dependencies import idempotency_key_of
from entrypoints.http.direct import routes_by_method
from entrypoints.http.problems import Refused
from tests.databases import SqliteDatabases
from tests.entrypoints.both_ways import SHOP, Ask, BothWays, Told, both_ways
from tests.journeys.api import an_order, path_of_customer, path_of_key
from tests.journeys.bad_input import PLAIN, all_bad_input, headers_of

pytestmark = pytest.mark.anyio

JSON = ("Content-Type", "application/json")
SOME_ID = UUID("01900000-0000-7000-8000-000000000000")


@pytest.fixture
async def ways(
    sqlite_databases: SqliteDatabases, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[BothWays]:
    async with both_ways(sqlite_databases, caplog) as opened:
        yield opened


async def _place(
    ways: BothWays, key: str, *headers: tuple[str, str], path: str = "/v1/orders", **changes: Any
) -> Told:
    given = (("Idempotency-Key", key), *headers)
    body = json.dumps(an_order(**changes) if path == "/v1/orders" else changes).encode()
    if not any(name.lower() == "content-type" for name, _ in headers):
        given = (*given, JSON)
    return await ways.ask("POST", path, *given, body=body)


async def _issued(ways: BothWays, *scopes: str, **changes: Any) -> tuple[str, tuple[str, str]]:
    """Another key of the same merchant: its id, and the header that presents it."""
    told = await _place(
        ways,
        f"key {scopes}"[:0] + "-".join(scopes),
        path="/v1/api-keys",
        scopes=list(scopes),
        **changes,
    )
    document = json.loads(told.body)
    return document["id"], ("Authorization", f"Bearer {document['api_key']}")


def test_the_routes_that_matter_are_direct(app: FastAPI) -> None:
    direct = {
        route.route.name
        for routes in routes_by_method(app).values()
        for _, route in routes
        if route is not None
    }
    assert direct >= {"place_order", "get_order", "list_orders", "list_customer_orders"}


async def test_bad_input_is_refused_alike(ways: BothWays) -> None:
    for bad in all_bad_input():
        if bad.code == PLAIN:
            continue
        asked = Ask(
            method=bad.method,
            target=bad.target,
            headers=headers_of(bad, ways.keys[0], "a-key"),
            body=bad.body or b"",
        )
        told = await ways.ask_exactly(asked)
        assert told.status == bad.status, bad.name
    assert json.loads((await ways.ask("GET", "/v1/orders")).body)["data"] == []


async def test_an_order_is_placed_replayed_and_its_key_not_reused(ways: BothWays) -> None:
    first = await _place(ways, "k", metadata={"a": "é🐙"}, description="two\nlines")
    again = await _place(ways, "k", description="two\nlines", metadata={"a": "é🐙"})
    quoted = await _place(ways, '"k"', metadata={"a": "é🐙"}, description="two\nlines")
    assert [told.status for told in (first, again, quoted)] == [201, 200, 200]
    assert first.body == again.body == quoted.body
    other_body = await _place(ways, "k", amount_cents=1)
    other_route = await _place(ways, "k", path="/v1/api-keys", scopes=["orders:read"])
    assert [told.status for told in (other_body, other_route)] == [422, 422]
    for told in (first, again, quoted, other_body, other_route):
        assert told.direct
    assert first.logged[-1]["merchant_id"] is not None


async def test_an_expired_key_is_refused_alike(ways: BothWays) -> None:
    await _place(ways, "k")
    ways.advance(timedelta(days=31))
    assert (await _place(ways, "k")).status == 409


@pytest.mark.parametrize(
    ("content_type", "direct"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("application/json;charset=UTF-8", False),
        ("APPLICATION/JSON", False),
        ("application/vnd.api+json", False),
    ],
)
async def test_json_has_several_names(ways: BothWays, content_type: str, direct: bool) -> None:
    told = await _place(ways, "k", ("Content-Type", content_type))
    assert (told.status, told.direct) == (201, direct)


@pytest.mark.parametrize(
    "headers",
    [
        [("X-Request-Id", "my-own.id_1")],
        [("X-Request-Id", "not/mine")],
        [("X-Request-Id", "a"), ("X-Request-Id", "b")],
        [("Content-Type", "application/json"), ("Content-Type", "text/plain")],
        [("Content-Type", "text/plain"), ("Content-Type", "application/json")],
        [("Accept", "text/html")],
        [("Expect", "100-continue")],
        [("Cookie", "a=b")],
        [("If-None-Match", '"1"')],
        [("Origin", SHOP)],
        [("Origin", "https://elsewhere.example")],
        [("Idempotency-Key", "two")],
        [("Authorization", "bearer  {key}\t")],
        [("Authorization", "Bearer {key}"), ("Authorization", "Bearer {key}")],
        [("Authorization", "Basic {key}")],
        [("Authorization", "")],
    ],
    ids=str,
)
async def test_headers_mean_the_same(ways: BothWays, headers: list[tuple[str, str]]) -> None:
    given = [(name, value.format(key=ways.keys[0])) for name, value in headers]
    await _place(ways, "k", *given)
    await ways.ask("GET", "/v1/orders", *given)


async def test_a_body_may_come_in_pieces(ways: BothWays) -> None:
    body = json.dumps(an_order()).encode()
    told = await ways.ask("POST", "/v1/orders", ("Idempotency-Key", "k"), JSON, body=body, pieces=5)
    assert (told.status, told.direct) == (201, True)


async def test_an_order_is_fetched(ways: BothWays) -> None:
    path = (await _place(ways, "k")).header("location")
    fetched = await ways.ask("GET", path)
    assert (fetched.status, fetched.header("etag"), fetched.direct) == (200, '"1"', True)
    for tags, status in (('"1"', 304), ('W/"1"', 304), ("*", 304), ('"2"', 200), ('"2", "1"', 304)):
        told = await ways.ask("GET", path, ("If-None-Match", tags))
        assert (told.status, told.direct) == (status, True)
    for unknown in (
        f"/v1/orders/{SOME_ID}",
        "/v1/orders/x",
        path.upper().replace("/V1/ORDERS", "/v1/orders"),
    ):
        await ways.ask("GET", unknown)
    stranger = await ways.ask("GET", path, ("Authorization", f"Bearer {ways.keys[1]}"))
    assert (stranger.status, stranger.direct) == (404, True)


async def test_lists_are_walked_and_filtered(ways: BothWays) -> None:
    for number in range(5):
        ways.advance(timedelta(seconds=1))
        await _place(ways, f"k{number}", customer_id=f"c/{number % 2}", invoice_id=f"i{number}")
    for start in (
        *(
            "/v1/orders?limit=2",
            "/v1/orders?limit=2&status=pending",
            "/v1/orders?customer_id=c%2F1",
        ),
        *("/v1/orders", "/v1/orders?", "/v1/orders?&limit=5&", "/v1/orders?invoice_id=i3"),
        *("/v1/orders?created_after=2026-11-21T02:17:41Z", "/v1/orders?limit=1&status=paid"),
        f"{path_of_customer('c/0')}?limit=1",
        path_of_customer("nobody"),
    ):
        target: str | None = start
        while target is not None:
            told = await ways.ask("GET", target)
            assert (told.status, told.direct) == (200, True), target
            cursor = json.loads(told.body)["next_cursor"]
            target = None if cursor is None else told.header("link").split(">")[0][1:]
    cursor = json.loads((await ways.ask("GET", "/v1/orders?limit=1")).body)["next_cursor"]
    for filters in ("status=pending&", "customer_id=c%2F1&"):
        told = await ways.ask("GET", f"/v1/orders?{filters}cursor={cursor}")
        assert (told.status, told.direct) == (400, True)


async def test_scopes_revocation_and_expiry_count(ways: BothWays) -> None:
    key_id, reader = await _issued(ways, "orders:read")
    assert (await ways.ask("GET", "/v1/orders", reader)).status == 200
    lacking = await _place(ways, "k", reader)
    assert (lacking.status, lacking.direct) == (403, True)
    assert (await ways.ask("DELETE", f"/v1/api-keys/{key_id}")).status == 204
    revoked = await ways.ask("GET", "/v1/orders", reader)
    assert (revoked.status, revoked.direct) == (401, True)
    _, brief = await _issued(ways, "orders:write", expires_at="2026-11-21T03:00:00Z")
    ways.advance(timedelta(hours=1))
    assert (await _place(ways, "k", brief)).status == 401


async def test_api_keys_are_managed(ways: BothWays) -> None:
    key_id, _ = await _issued(ways, "orders:read", "keys:manage")
    for body in (b"", b"{}", b'{"overlap_seconds": 5}'):
        for _ in range(2):
            await ways.ask(
                "POST",
                f"/v1/api-keys/{key_id}/rotate",
                ("Idempotency-Key", f"rotate-{len(body)}"),
                *([JSON] if body else []),
                body=body,
            )
    await ways.ask("GET", "/v1/api-keys?limit=1")
    await ways.ask("GET", "/v1/api-keys")


@pytest.mark.parametrize(
    ("query", "direct"),
    [
        *(("", True), ("?type=order.created", True), ("?limit=1&type=order.created", True)),
        *(("?type=order.paid&type=order.created", True), ("?type=order.paid,order.created", True)),
        *(("?type=", False), ("?type=order.paid&type=x", False), ("?after=1&after=2", False)),
        ("?type=order.paid&type=order.paid", False),
    ],
)
async def test_a_list_in_a_query_is_read_alike(ways: BothWays, query: str, direct: bool) -> None:
    await _place(ways, "k")
    assert (await ways.ask("GET", f"/v1/events{query}")).direct is direct


@pytest.mark.parametrize("key", ["k", "never", "a/b", '"k"', "%20"])
async def test_keys_are_looked_up(ways: BothWays, key: str) -> None:
    await _place(ways, "k")
    await ways.ask("GET", path_of_key(key))


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/health", "/ready", "/docs", "/redoc", "/openapi.json", "/v1", "/v1/"),
        *("/v1/orders", "/v1/orders/", f"/v1/orders/{SOME_ID}", "/v1/customers/c/orders"),
        *("/v1/customers//orders", "/v1/orders%2F", "/v1/orders/a%2Fb", "/v1/api-keys"),
        *("/v1/idempotency-keys/k", "/v1/api-keys/k/rotate", "/v1/orders?status=paid"),
    ],
)
async def test_methods_and_addresses_mean_the_same(ways: BothWays, target: str) -> None:
    # A key's first use is noted while the answer is made, and a list of keys may show it or not.
    await ways.ask("GET", "/v1/orders")
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        await ways.ask(method, target)
        await ways.ask(method, target, ("Idempotency-Key", "k"), JSON, body=b"{}")


async def test_head_goes_the_short_way_without_a_body(ways: BothWays) -> None:
    path = (await _place(ways, "k")).header("location")
    told = await ways.ask("HEAD", path)
    assert (told.status, told.body, told.direct) == (200, b"", True)
    assert int(told.header("content-length")) > 0
    assert told.logged[-1]["method"] == "HEAD"


async def test_other_origins_are_answered_alike(ways: BothWays) -> None:
    preflight = (
        ("Origin", SHOP),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "Idempotency-Key"),
    )
    assert (await ways.ask("OPTIONS", "/v1/orders", *preflight)).status == 200
    told = await _place(ways, "k", ("Origin", SHOP))
    assert (told.header("access-control-allow-origin"), told.direct) == (SHOP, True)


@pytest.mark.parametrize(
    "failure",
    [
        StorageUnavailable("the database is away"),
        OutcomeUnknown("the connection broke"),
        KeyInProgress("still running"),
        IdempotencyKeyReused(("amount_cents",)),
        IdempotencyKeyExpired("order", SOME_ID),
        SecretNoLongerAvailable("API key", SOME_ID),
        OrderNotFound(),
        ApiKeyNotFound(),
        Unauthenticated("The API key is unknown, revoked or expired."),
        DomainError("payment_method_unknown", "It is not known.", "payment_method"),
        DomainError("amount_out_of_range", "Too much."),
        Refused("malformed_request", "It cannot be read."),
        HTTPException(404),
        RuntimeError("a mistake of ours"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("where", ["authenticate", "place_order", "get_order", "list_orders"])
async def test_failures_are_told_alike(ways: BothWays, where: str, failure: BaseException) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise failure

    ways.use(where, fail)
    tolds = [
        await _place(ways, "k"),
        await ways.ask("GET", f"/v1/orders/{SOME_ID}"),
        await ways.ask("GET", "/v1/orders"),
        await ways.ask("GET", "/v1/customers/c/orders"),
    ]
    assert all(told.direct for told in tolds)
    assert any(told.status >= 400 for told in tolds)


async def test_an_overridden_dependency_counts(ways: BothWays) -> None:
    async def always_the_same() -> str:
        return "k"

    for way in (ways.short, ways.ordinary):
        way.app.dependency_overrides[idempotency_key_of] = always_the_same
    tolds = [await _place(ways, key) for key in ("one", "two")]
    assert [(told.status, told.direct) for told in tolds] == [(201, False), (200, False)]
