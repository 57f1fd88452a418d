"""API keys: issuing, scopes, revoking, rotating, expiry."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from domain.merchant import ALL_SCOPES
from tests.journeys.api import (
    LOOK_AGAIN_SECONDS,
    Api,
    a_key,
    an_order,
    assert_problem,
    client_of,
    new_merchant,
)
from tests.journeys.server import Harbor, HarborServer

pytestmark = pytest.mark.anyio

ELSEWHERE_SECONDS = 1.0
"""How long another process may go on taking a key that was revoked."""


async def _own_key(api: Api) -> dict[str, Any]:
    """The newest of the merchant's keys."""
    key: dict[str, Any] = (await api.get("/v1/api-keys?limit=1")).json()["data"][0]
    return key


async def test_a_new_key_works_at_once_and_says_what_it_is(api: Api) -> None:
    answer = await api.post("/v1/api-keys", {"name": "till 7", "scopes": ["orders:read"]})
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/api-keys/{made['id']}"
    assert answer.headers["idempotent-replayed"] == "false"
    assert made["api_key"].startswith(made["prefix"])
    assert made["api_key"].startswith("hk_test_")
    assert made == {
        "id": made["id"],
        "name": "till 7",
        "prefix": made["api_key"][:16],
        "scopes": ["orders:read"],
        "created_at": made["created_at"],
        "expires_at": None,
        "revoked_at": None,
        "last_used_at": None,
        "replaced_by": None,
        "api_key": made["api_key"],
    }
    assert (await Api(api.client, made["api_key"]).get("/v1/orders")).status_code == 200


async def test_a_retry_shows_the_same_secret(api: Api) -> None:
    key = a_key()
    first = await api.post("/v1/api-keys", {"scopes": ["orders:read"]}, key)
    retry = await api.post("/v1/api-keys", {"scopes": ["orders:read"]}, key)
    assert (retry.status_code, retry.content) == (200, first.content)
    assert retry.headers["idempotent-replayed"] == "true"
    assert len(await api.walk("/v1/api-keys")) == 2


async def test_the_list_shows_prefixes_and_use_but_no_secret(api: Api) -> None:
    made = (await api.post("/v1/api-keys", {"scopes": ["orders:read"]})).json()
    await Api(api.client, made["api_key"]).get("/v1/orders")
    answer = await api.get("/v1/api-keys")
    assert made["api_key"] not in answer.text
    assert api.api_key not in answer.text
    newest, oldest = answer.json()["data"]
    assert newest["prefix"] == made["prefix"]
    assert set(oldest["scopes"]) == ALL_SCOPES
    assert set(newest) == set(made) - {"api_key"}


async def test_the_list_tells_when_a_key_was_last_used(api: Api) -> None:
    made = (await api.post("/v1/api-keys", {"scopes": ["orders:read"]})).json()
    await Api(api.client, made["api_key"]).get("/v1/orders")
    # It is noted beside the request, not in it.
    async with asyncio.timeout(10):
        while (used := (await api.get("/v1/api-keys")).json()["data"][0]["last_used_at"]) is None:
            pass
    assert datetime.fromisoformat(used) <= datetime.now(UTC)


async def test_each_route_wants_its_scope(api: Api) -> None:
    order_id = (await api.placed())["id"]
    only = {
        scope: await api.issued(scopes=[scope])
        for scope in ("orders:read", "orders:write", "keys:manage", "events:read")
    }
    requests: dict[str, list[Callable[[Api], Awaitable[httpx2.Response]]]] = {
        "orders:read": [
            lambda key: key.get("/v1/orders"),
            lambda key: key.get(f"/v1/orders/{order_id}"),
            lambda key: key.get("/v1/customers/cus_42/orders"),
            lambda key: key.get("/v1/idempotency-keys/x"),
            lambda key: key.get(f"/v1/orders/{order_id}/refunds"),
            lambda key: key.get(f"/v1/orders/{order_id}/operations"),
            lambda key: key.get(f"/v1/refunds/{uuid4()}"),
        ],
        "orders:write": [
            lambda key: key.place(),
            lambda key: key.capture(str(uuid4())),
            lambda key: key.cancel(str(uuid4())),
            lambda key: key.refund(str(uuid4())),
        ],
        "keys:manage": [
            lambda key: key.get("/v1/api-keys"),
            lambda key: key.post("/v1/api-keys", {"scopes": ["keys:manage"]}),
            lambda key: key.post(f"/v1/api-keys/{uuid4()}/rotate"),
            lambda key: key.delete(f"/v1/api-keys/{uuid4()}"),
        ],
    }
    for wanted, sends in requests.items():
        for send in sends:
            assert (await send(only[wanted])).status_code in (200, 201, 404)
            for scope, key in only.items():
                if scope != wanted:
                    problem = assert_problem(await send(key), 403, "scope_missing")
                    assert wanted in problem["detail"]


async def test_a_scope_is_wanted_before_the_body_is_read(api: Api) -> None:
    reader = await api.issued(scopes=["orders:read"])
    for body in (b"{", b'{"amount_cents": 0}', b""):
        assert_problem(await reader.post("/v1/orders", body), 403, "scope_missing")


async def test_nobody_hands_on_a_scope_that_they_lack(api: Api) -> None:
    manager = await api.issued(scopes=["keys:manage", "orders:read"])
    asked = {"scopes": ["keys:manage", "orders:write"]}
    problem = assert_problem(await manager.post("/v1/api-keys", asked), 403, "scope_missing")
    assert "orders:write" in problem["detail"]
    everything = (await api.walk("/v1/api-keys"))[-1]
    rotated = await manager.post(f"/v1/api-keys/{everything['id']}/rotate")
    assert_problem(rotated, 403, "scope_missing")
    assert len(await api.walk("/v1/api-keys")) == 2


async def test_a_revoked_key_is_refused_at_once(api: Api) -> None:
    doomed = await api.issued(scopes=["orders:read", "orders:write"])
    assert (await doomed.get("/v1/orders")).status_code == 200
    key_id = (await _own_key(api))["id"]
    revoked = await api.delete(f"/v1/api-keys/{key_id}")
    assert (revoked.status_code, revoked.content) == (204, b"")
    answers = await asyncio.gather(doomed.get("/v1/orders"), doomed.place())
    for answer in answers:
        assert_problem(answer, 401, "api_key_invalid")
        assert answer.headers["www-authenticate"] == "Bearer"
    first_moment = (await _own_key(api))["revoked_at"]
    assert first_moment is not None
    assert (await api.delete(f"/v1/api-keys/{key_id}")).status_code == 204
    assert (await _own_key(api))["revoked_at"] == first_moment


async def test_a_key_can_revoke_itself(api: Api) -> None:
    itself = await api.issued(scopes=["keys:manage"])
    key_id = (await _own_key(itself))["id"]
    assert (await itself.delete(f"/v1/api-keys/{key_id}")).status_code == 204
    assert_problem(await itself.get("/v1/api-keys"), 401, "api_key_invalid")


async def _refused_elsewhere(key: Api, since: float) -> None:
    """From ELSEWHERE_SECONDS after `since` on the key is refused; and once refused, always."""
    clock = asyncio.get_running_loop()
    refused = False
    late = False
    while not late:
        late = clock.time() - since >= ELSEWHERE_SECONDS
        answer = await key.get("/v1/orders")
        assert answer.status_code == 401 if refused else answer.status_code in (200, 401)
        refused = answer.status_code == 401
    assert refused


async def test_a_revoked_key_is_refused_within_a_second_by_another_process(
    on_postgresql: Harbor, postgresql_server: HarborServer, second_server: HarborServer
) -> None:
    async with client_of(postgresql_server) as here, client_of(second_server) as there:
        api = Api(here, await new_merchant(on_postgresql))
        doomed = await api.issued(scopes=["orders:read"])
        elsewhere = Api(there, doomed.api_key)
        assert (await elsewhere.get("/v1/orders")).status_code == 200
        key_id = (await _own_key(api))["id"]
        assert (await api.delete(f"/v1/api-keys/{key_id}")).status_code == 204
        await _refused_elsewhere(elsewhere, asyncio.get_running_loop().time())


async def test_a_key_that_was_rotated_away_is_refused_within_a_second_by_another_process(
    on_postgresql: Harbor, postgresql_server: HarborServer, second_server: HarborServer
) -> None:
    async with client_of(postgresql_server) as here, client_of(second_server) as there:
        api = Api(here, await new_merchant(on_postgresql))
        old = await api.issued(scopes=["orders:read"])
        elsewhere = Api(there, old.api_key)
        assert (await elsewhere.get("/v1/orders")).status_code == 200
        path = f"/v1/api-keys/{(await _own_key(api))['id']}/rotate"
        rotated = await api.post(path, {"overlap_seconds": 0})
        await _refused_elsewhere(elsewhere, asyncio.get_running_loop().time())
        successor = Api(there, rotated.json()["api_key"])
        assert (await successor.get("/v1/orders")).status_code == 200


async def test_a_rotation_without_overlap_ends_the_old_key_at_once(api: Api) -> None:
    expiry = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    old = await api.issued(name="till", scopes=["orders:read"], expires_at=expiry)
    assert (await old.get("/v1/orders")).status_code == 200
    shown = await _own_key(api)
    key = a_key()
    path = f"/v1/api-keys/{shown['id']}/rotate"
    rotated = await api.post(path, {"overlap_seconds": 0}, key)
    new = rotated.json()
    assert rotated.status_code == 201
    assert rotated.headers["location"] == f"/v1/api-keys/{new['id']}"
    assert_problem(await old.get("/v1/orders"), 401, "api_key_invalid")
    assert (await Api(api.client, new["api_key"]).get("/v1/orders")).status_code == 200
    assert {name: new[name] for name in ("name", "scopes", "expires_at")} == {
        name: shown[name] for name in ("name", "scopes", "expires_at")
    }
    retry = await api.post(path, {"overlap_seconds": 0}, key)
    assert (retry.status_code, retry.content) == (200, rotated.content)
    assert_problem(await api.post(path, {"overlap_seconds": 0}), 409, "api_key_inactive")


@pytest.mark.parametrize("body", [None, b"", {}, {"overlap_seconds": 3600}])
async def test_during_the_overlap_both_keys_work(api: Api, body: object) -> None:
    old = await api.issued(scopes=["orders:read"])
    shown = await _own_key(api)
    before = datetime.now(UTC)
    rotated = await api.post(f"/v1/api-keys/{shown['id']}/rotate", body)
    assert rotated.status_code == 201
    new = Api(api.client, rotated.json()["api_key"])
    for key in (old, new):
        assert (await key.get("/v1/orders")).status_code == 200
    retiring = next(k for k in await api.walk("/v1/api-keys") if k["id"] == shown["id"])
    overlap = timedelta(hours=1) if isinstance(body, dict) and body else timedelta(days=1)
    end = datetime.fromisoformat(retiring["expires_at"])
    assert before + overlap <= end <= datetime.now(UTC) + overlap
    assert retiring["revoked_at"] is None


async def test_a_rotation_never_prolongs_a_key(api: Api) -> None:
    expiry = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    await api.issued(scopes=["orders:read"], expires_at=expiry)
    shown = await _own_key(api)
    await api.post(f"/v1/api-keys/{shown['id']}/rotate", {"overlap_seconds": 604_800})
    keys = await api.walk("/v1/api-keys")
    retiring = next(key for key in keys if key["id"] == shown["id"])
    assert retiring["expires_at"] == shown["expires_at"]


async def test_a_key_works_until_it_expires(api: Api) -> None:
    expiry = datetime.now(UTC) + timedelta(seconds=1.5)
    brief = await api.issued(scopes=["orders:read"], expires_at=expiry.isoformat())
    answer = await brief.get("/v1/orders")
    assert answer.status_code == 200 or datetime.now(UTC) >= expiry
    while datetime.now(UTC) < expiry:
        answer = await brief.get("/v1/orders")
        assert answer.status_code == 200 or datetime.now(UTC) >= expiry
    assert_problem(await brief.get("/v1/orders"), 401, "api_key_invalid")


async def test_unknown_foreign_and_malformed_ids_cannot_be_told_apart(api: Api, other: Api) -> None:
    foreign = (await _own_key(other))["id"]
    for act in (_revoke, _rotate):
        bodies = []
        for key_id in (str(uuid4()), foreign, "42", foreign.upper()):
            problem = assert_problem(await act(api, key_id), 404, "api_key_not_found")
            del problem["request_id"], problem["instance"]
            bodies.append(problem)
        assert all(body == bodies[0] for body in bodies)
    assert (await other.get("/v1/orders")).status_code == 200


async def _revoke(api: Api, key_id: str) -> httpx2.Response:
    return await api.delete(f"/v1/api-keys/{key_id}")


async def _rotate(api: Api, key_id: str) -> httpx2.Response:
    return await api.post(f"/v1/api-keys/{key_id}/rotate", {"overlap_seconds": 0})


async def _a_delivery(api: Api, hook: str) -> str:
    """The id of one to the endpoint, once there is one."""
    async with asyncio.timeout(20):
        while True:
            found = await api.walk(f"{hook}/deliveries")
            if found:
                delivery_id: str = found[0]["id"]
                return delivery_id
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def test_no_route_lets_a_merchant_see_or_touch_anothers_rows(
    till: Api, other_till: Api
) -> None:
    """Every operation of the document stands in this table, or the test fails."""
    api, other = till, other_till
    key = a_key()
    order = (await other.place(key, customer_id="theirs", invoice_id="theirs")).json()
    their_key = await _own_key(other)
    await other.until(order["id"], "paid")
    refund = await other.refunded(order["id"], amount_cents=1, reason="theirs")
    await other.until_settled(refund["id"])
    held = await other.authorized(customer_id="theirs")
    endpoint = {"url": "https://theirs.example/", "description": "theirs"}
    hook = (await other.post("/v1/webhook-endpoints", endpoint)).headers["location"]
    await other.post(f"{hook}/test")
    delivery = f"/v1/webhook-deliveries/{await _a_delivery(other, hook)}"
    stretch = {"created_from": "2026-01-01T00:00:00Z", "created_before": "2036-01-01T00:00:00Z"}
    before = await other.walk("/v1/orders")
    path, path_of_held = f"/v1/orders/{order['id']}", f"/v1/orders/{held['id']}"
    seen: dict[str, list[httpx2.Response]] = {
        "get /v1/orders": [
            await api.get("/v1/orders"),
            await api.get("/v1/orders?customer_id=theirs"),
            await api.get("/v1/orders?invoice_id=theirs"),
        ],
        "get /v1/orders/{order_id}": [await api.get(path)],
        "post /v1/orders/{order_id}/capture": [await api.post(f"{path_of_held}/capture")],
        "post /v1/orders/{order_id}/cancel": [await api.post(f"{path_of_held}/cancel")],
        "post /v1/orders/{order_id}/refunds": [await api.post(f"{path}/refunds")],
        "get /v1/orders/{order_id}/refunds": [await api.get(f"{path}/refunds")],
        "get /v1/orders/{order_id}/operations": [await api.get(f"{path}/operations")],
        "get /v1/refunds/{refund_id}": [await api.get(f"/v1/refunds/{refund['id']}")],
        "get /v1/customers/{customer_id}/orders": [await api.get("/v1/customers/theirs/orders")],
        "get /v1/events": [await api.get("/v1/events")],
        "get /v1/orders/{order_id}/events": [await api.get(f"{path}/events")],
        "post /v1/webhook-endpoints": [
            await api.post("/v1/webhook-endpoints", {"url": "https://mine.example/"}, key)
        ],
        "get /v1/webhook-endpoints": [await api.get("/v1/webhook-endpoints")],
        "get /v1/webhook-endpoints/{endpoint_id}": [await api.get(hook)],
        "delete /v1/webhook-endpoints/{endpoint_id}": [await api.delete(hook)],
        "patch /v1/webhook-endpoints/{endpoint_id}": [
            await api.client.patch(hook, json={"status": "disabled"}, headers=api.bearer)
        ],
        "post /v1/webhook-endpoints/{endpoint_id}/rotate-secret": [
            await api.post(f"{hook}/rotate-secret")
        ],
        "get /v1/webhook-endpoints/{endpoint_id}/deliveries": [await api.get(f"{hook}/deliveries")],
        "post /v1/webhook-endpoints/{endpoint_id}/test": [await api.post(f"{hook}/test")],
        "post /v1/webhook-endpoints/{endpoint_id}/redeliver": [
            await api.post(f"{hook}/redeliver", stretch)
        ],
        "get /v1/webhook-deliveries/{delivery_id}": [await api.get(delivery)],
        "post /v1/webhook-deliveries/{delivery_id}/redeliver": [
            await api.post(f"{delivery}/redeliver")
        ],
        "get /v1/idempotency-keys/{key}": [await api.get(f"/v1/idempotency-keys/{key}")],
        "get /v1/api-keys": [await api.get("/v1/api-keys")],
        "delete /v1/api-keys/{key_id}": [await _revoke(api, their_key["id"])],
        "post /v1/api-keys/{key_id}/rotate": [await _rotate(api, their_key["id"])],
        "post /v1/orders": [await api.post("/v1/orders", an_order(customer_id="mine"), key)],
        "post /v1/api-keys": [await api.post("/v1/api-keys", {"scopes": ["orders:read"]}, a_key())],
    }
    document = (await api.client.get("/openapi.json")).json()
    operations = {
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith("/v1/")
    }
    # An answer without end, of which test_events.py sees to it.
    operations.remove("get /v1/events/stream")
    assert operations == set(seen)
    for answers in seen.values():
        for answer in answers:
            assert "theirs" not in answer.text
            for their_own in (order["id"], held["id"], refund["id"]):
                assert their_own not in answer.text
            assert their_key["id"] not in answer.text
            assert their_key["prefix"] not in answer.text
    assert await other.walk("/v1/orders") == before
    assert await other.walk(f"{path}/refunds") == [refund | {"status": "succeeded"}]
    assert [k["id"] for k in await other.walk("/v1/api-keys")] == [their_key["id"]]
