"""From an order to its money: who is asked, what comes of it, and never twice."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.api import (
    LOOK_AGAIN_SECONDS,
    Api,
    a_key,
    assert_problem,
    client_of,
    described_by,
    is_uuid7,
    new_merchant,
)
from tests.journeys.server import Effect, Harbor, Shop

pytestmark = pytest.mark.anyio

SOON_SECONDS = 2.0
LONGEST_SECONDS = 30.0
"""For every payment method of the simulated gateway, on default settings."""

DECLINED = {
    "sim_decline": "card_declined",
    "sim_insufficient_funds": "insufficient_funds",
    "sim_unknown_then_declined": "card_declined",
}
ATTEMPTS = {
    None: ["approved"],
    "sim_approve": ["approved"],
    "sim_decline": ["declined"],
    "sim_insufficient_funds": ["declined"],
    "sim_slow": ["approved"],
    "sim_timeout_before": ["unknown", "approved"],
    "sim_timeout_after": ["unknown", "approved"],
    "sim_error": ["unknown", "unknown", "unknown", "approved"],
    "sim_unknown_then_declined": ["unknown", "declined"],
}
"""What comes of asking, time after time, for each payment method."""
FINAL = ("authorized", "paid", "failed")
OPERATION = {
    *("id", "order_id", "kind", "amount_cents", "currency", "status", "failure"),
    *("attempt_count", "attempts", "created_at", "updated_at"),
}
ATTEMPT = {"number", "outcome", "code", "started_at", "ended_at"}


async def test_an_order_is_paid_within_two_seconds_of_being_placed(embedded_till: Api) -> None:
    clock = asyncio.get_running_loop()
    for _ in range(3):
        started = clock.time()
        placed = await embedded_till.placed()
        paid = await embedded_till.until(placed["id"], "paid")
        assert clock.time() - started < SOON_SECONDS
        assert paid == placed | {
            "status": "paid",
            "amount_captured_cents": 1999,
            "version": 3,
            "updated_at": paid["updated_at"],
        }
        assert paid["updated_at"] > paid["created_at"]


async def _of_each_method(shop: Shop, capture_method: str) -> None:
    async with client_of(shop.server) as client:
        api = Api(client, await new_merchant(shop.harbor))
        await asyncio.gather(*(_ends_as_promised(api, shop, m, capture_method) for m in ATTEMPTS))


async def _ends_as_promised(api: Api, shop: Shop, method: str | None, capture_method: str) -> None:
    placed = await api.placed(payment_method=method, capture_method=capture_method)
    order = await api.until(placed["id"], *FINAL, seconds=LONGEST_SECONDS)
    assert await api.order(order["id"]) == order
    (operation,) = await api.operations(order["id"])
    outcomes = [attempt["outcome"] for attempt in operation["attempts"]]
    assert outcomes == ATTEMPTS[method], (method, operation)
    assert operation["attempt_count"] == len(outcomes)
    assert operation["kind"] == ("charge" if capture_method == "automatic" else "authorize")
    done = [effect for effect in shop.bank.effects() if effect.reference == operation["id"]]
    if method in DECLINED:
        assert order["status"] == "failed"
        assert order["failure"]["code"] == DECLINED[method]
        assert order["failure"]["message"].endswith(".")
        assert operation["failure"] == order["failure"]
        assert (operation["status"], done) == ("failed", [])
    else:
        assert order["status"] == ("paid" if capture_method == "automatic" else "authorized")
        assert (order["failure"], operation["failure"]) == (None, None)
        assert operation["status"] == "succeeded"
        assert done == [Effect(reference=operation["id"], kind=operation["kind"], amount=1999)]
    assert order["amount_captured_cents"] == (1999 if order["status"] == "paid" else 0)
    assert order["version"] == 3


async def test_each_payment_method_ends_as_it_promises_within_30_seconds(
    embedded_shop: Shop, worker_shop: Shop, gateway_shop: Shop
) -> None:
    """On default settings, in every installation at once: charged and reserved."""
    await asyncio.gather(
        *(
            _of_each_method(shop, capture_method)
            for shop in (embedded_shop, worker_shop, gateway_shop)
            for capture_method in ("automatic", "manual")
        )
    )


async def test_what_hangs_at_the_gateway_keeps_no_place_but_its_own(tmp_path: Path) -> None:
    """Ten places; the gateway is given a minute, and nine orders hang there all the while."""
    harbor = Harbor(tmp_path)
    settings = {"HARBOR_GATEWAY_SECONDS": "60", "HARBOR_LEASE_SECONDS": "130"}
    with harbor.serving(HARBOR_GATEWAY_CONCURRENCY="10", **settings) as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(harbor))
            stuck = [await api.placed(payment_method="sim_timeout_before") for _ in range(9)]
            for each in stuck:
                await api.until(each["id"], "processing")
            for _ in range(20):
                await api.paid()
            for each in stuck:
                assert (await api.order(each["id"]))["status"] == "processing"


async def test_an_order_is_processing_while_the_gateway_takes_its_time(till: Api) -> None:
    placed = await till.placed(payment_method="sim_slow")
    processing = await till.until(placed["id"], "processing")
    assert processing == placed | {
        "status": "processing",
        "version": 2,
        "updated_at": processing["updated_at"],
    }
    paid = await till.until(placed["id"], "paid")
    assert paid["version"] == 3


async def test_what_is_listed_is_what_is_fetched_once_it_is_paid(till: Api) -> None:
    order = await till.paid()
    assert (await till.get("/v1/orders?status=paid")).json()["data"] == [order]
    assert (await till.get("/v1/orders?status=pending")).json()["data"] == []
    fetched = await till.get(f"/v1/orders/{order['id']}")
    assert fetched.headers["etag"] == '"3"'
    known = await till.get(f"/v1/orders/{order['id']}", If_None_Match='"1"')
    assert (known.status_code, known.json()) == (200, order)


async def test_a_repeat_shows_the_order_as_it_was_and_its_key_as_it_is(till: Api) -> None:
    key = a_key()
    placed = await till.place(key)
    paid = await till.until(placed.json()["id"], "paid")
    repeat = await till.place(key)
    assert (repeat.status_code, repeat.content) == (200, placed.content)
    assert (await till.get(f"/v1/idempotency-keys/{key}")).json()["order"] == paid


async def test_the_operations_of_an_order_tell_what_the_gateway_was_asked_and_nothing_internal(
    till: Api,
) -> None:
    order = await till.authorized(payment_method="sim_error")
    captured = await till.capture(order["id"], {"amount_cents": 1000})
    assert captured.status_code == 202
    await till.until(order["id"], "paid")
    refund = await till.refunded(order["id"], amount_cents=300, reason="Returned goods")
    await till.until_settled(refund["id"])
    answer = await till.get(f"/v1/orders/{order['id']}/operations")
    (await described_by(till.client)).assert_fits(answer, "get /v1/orders/{order_id}/operations")
    newest_first = answer.json()["data"]
    assert [
        (each["kind"], each["amount_cents"], each["attempt_count"]) for each in newest_first
    ] == [
        ("refund", 300, 1),
        ("capture", 1000, 1),
        ("authorize", 1999, 4),
    ]
    assert newest_first[0]["id"] == refund["id"]
    for operation in newest_first:
        assert set(operation) == OPERATION
        assert is_uuid7(operation["id"])
        assert (operation["order_id"], operation["currency"]) == (order["id"], "EUR")
        assert (operation["status"], operation["failure"]) == ("succeeded", None)
        assert [set(attempt) for attempt in operation["attempts"]] == [
            ATTEMPT for _ in range(operation["attempt_count"])
        ]
        for attempt in operation["attempts"]:
            assert attempt["started_at"] <= attempt["ended_at"] <= operation["updated_at"]
    failing = newest_first[-1]["attempts"]
    assert [each["number"] for each in failing] == [1, 2, 3, 4]
    assert [each["code"] for each in failing] == [*["gateway_error"] * 3, None]
    for internal in (
        *("fence", "lease", "due_at", "gateway_key", "payment_method", "payment_id", "risk_score"),
        *("sim_error", "simulated", "sim_", "merchant", "Returned goods", "first_sent_at"),
    ):
        assert internal not in answer.text.replace("gateway_error", "")


async def test_operations_are_listed_page_by_page(till: Api) -> None:
    order = await till.paid()
    refunds = [await till.refunded(order["id"], amount_cents=1) for _ in range(4)]
    path = f"/v1/orders/{order['id']}/operations"
    for refund in refunds:
        await till.until_settled(refund["id"])
    whole = (await till.get(path)).json()
    assert (whole["has_more"], whole["next_cursor"]) == (False, None)
    ids = [operation["id"] for operation in whole["data"]]
    assert ids[:4] == [refund["id"] for refund in reversed(refunds)]
    assert whole["data"][4]["kind"] == "charge"
    for limit in (1, 2, 3, 5):
        assert await till.walk(path, limit=limit) == whole["data"]
    cursor = (await till.get(f"{path}?limit=2")).json()["next_cursor"]
    rest = (await till.get(f"{path}?limit=2&cursor={cursor}")).json()["data"]
    assert rest == whole["data"][2:4]
    for elsewhere in (f"/v1/orders/{order['id']}/refunds", "/v1/orders"):
        answer = await till.get(f"{elsewhere}?limit=2&cursor={cursor}")
        assert_problem(answer, 400, "invalid_cursor")
    another = await till.placed()
    answer = await till.get(f"/v1/orders/{another['id']}/operations?cursor={cursor}")
    assert_problem(answer, 400, "invalid_cursor")
    for wrong in ("limit=0", "limit=101", "kind=refund", "offset=1"):
        assert_problem(await till.get(f"{path}?{wrong}"), 422, "validation_failed")


async def test_two_servers_on_one_directory_charge_each_order_once(tmp_path: Path) -> None:
    """Both of them have a worker."""
    harbor = Harbor(tmp_path)
    async with AsyncExitStack() as stack:
        first = stack.enter_context(harbor.serving())
        second = stack.enter_context(harbor.serving())
        here = await stack.enter_async_context(client_of(first))
        there = await stack.enter_async_context(client_of(second))
        api_key = await new_merchant(harbor)
        apis = [Api(here, api_key), Api(there, api_key)]
        placed = await asyncio.gather(*(apis[number % 2].placed() for number in range(60)))
        for order in placed:
            await apis[0].until(order["id"], "paid")
    _each_charged_once(harbor, placed)


def _each_charged_once(harbor: Harbor, orders: list[dict[str, Any]]) -> None:
    effects = harbor.effects()
    assert Counter((each.kind, each.amount) for each in effects) == {("charge", 1999): len(orders)}
    assert len({each.reference for each in effects}) == len(orders)
    compared = harbor.run("reconcile", "--json")
    assert (compared.code, compared.document) == (0, {"checked": len(orders), "differences": []})


async def test_a_server_that_is_killed_in_the_middle_of_charges_has_each_paid_once_in_the_end(
    tmp_path: Path,
) -> None:
    """Some of them were charged, and the answer was on its way."""
    quick = {"HARBOR_GATEWAY_SECONDS": "4", "HARBOR_LEASE_SECONDS": "9"}
    harbor = Harbor(tmp_path, quick)
    with harbor.serving() as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(harbor))
            slow = await asyncio.gather(*(api.placed(payment_method="sim_slow") for _ in range(20)))
            await _until_charged(harbor, len(slow))
            swift = await asyncio.gather(*(api.placed() for _ in range(40)))
            server.kill()
    assert len(harbor.effects()) >= len(slow)
    with harbor.serving() as server:
        async with client_of(server) as client:
            api = Api(client, api.api_key)
            assert {(await api.order(order["id"]))["status"] for order in slow} == {"processing"}
            for order in (*slow, *swift):
                await api.until(order["id"], "paid")
            for order in slow:
                (operation,) = await api.operations(order["id"])
                # The first one's worker died on the way.
                assert operation["attempt_count"] == 2
                assert [attempt["number"] for attempt in operation["attempts"]] == [2]
    _each_charged_once(harbor, [*slow, *swift])


async def _until_charged(harbor: Harbor, count: int) -> None:
    """Until the gateway's books have so many effects."""
    async with asyncio.timeout(20):
        while True:
            if len(harbor.effects()) >= count:
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def test_a_worker_that_may_ask_one_thing_at_a_time_gets_through_them_all(
    tmp_path: Path,
) -> None:
    harbor = Harbor(tmp_path)
    with harbor.serving(HARBOR_GATEWAY_CONCURRENCY="1") as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(harbor))
            declined = await api.placed(payment_method="sim_decline")
            orders = [await api.placed() for _ in range(4)]
            for order in orders:
                await api.until(order["id"], "paid")
            await api.until(declined["id"], "failed")
