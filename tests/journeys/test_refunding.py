"""Giving money back: all, parts, and never more than was taken."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.journeys.api import (
    Api,
    a_key,
    assert_problem,
    client_of,
    described_by,
    is_uuid7,
    new_merchant,
    path_of_key,
)
from tests.journeys.server import Shop

pytestmark = pytest.mark.anyio

REFUND = "post /v1/orders/{order_id}/refunds"
MANY = 50
MARKER = "m4rk3r"


@pytest.mark.parametrize(
    "body",
    [None, b"", {}, {"amount_cents": None, "reason": None}, {"amount_cents": 1999}],
    ids=["absent", "empty", "an empty object", "null", "the amount"],
)
async def test_all_of_it_goes_back(till: Api, shop: Shop, body: object) -> None:
    order = await till.paid()
    answer = await till.refund(order["id"], body)
    (await described_by(till.client)).assert_fits(answer, REFUND)
    refund = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/refunds/{refund['id']}"
    assert answer.headers["idempotent-replayed"] == "false"
    assert is_uuid7(refund["id"])
    assert refund == {
        "id": refund["id"],
        "order_id": order["id"],
        "amount_cents": 1999,
        "status": "pending",
        "reason": None,
        "created_at": refund["created_at"],
    }
    refunded = await till.until(order["id"], "refunded")
    assert refunded == order | {
        "status": "refunded",
        "amount_refunded_cents": 1999,
        # refund.created, order.refunded and refund.succeeded.
        "version": order["version"] + 3,
        "updated_at": refunded["updated_at"],
    }
    assert await till.until_settled(refund["id"]) == refund | {"status": "succeeded"}
    done = [each for each in shop.bank.effects() if each.reference == refund["id"]]
    assert [(each.kind, each.amount) for each in done] == [("refund", 1999)]


async def test_it_goes_back_in_parts_until_nothing_is_left(till: Api) -> None:
    order = await till.paid()
    for amount, before, status in (
        (1, 0, "partially_refunded"),
        (998, 1, "partially_refunded"),
        (1000, 999, "refunded"),
    ):
        refund = await till.refunded(order["id"], amount_cents=amount)
        assert (await till.until_settled(refund["id"]))["status"] == "succeeded"
        now = await till.order(order["id"])
        assert (now["status"], now["amount_refunded_cents"]) == (status, before + amount)
        assert now["amount_captured_cents"] == 1999
    for body in (None, {"amount_cents": 1}):
        assert_problem(await till.refund(order["id"], body), 409, "order_is_refunded")


async def test_what_is_reserved_by_refunds_on_their_way_cannot_be_refunded_again(
    till: Api,
) -> None:
    order = await till.paid()
    first, rest = await asyncio.gather(
        till.refund(order["id"], {"amount_cents": 1500}),
        till.refund(order["id"], {"amount_cents": 500}),
    )
    assert sorted((first.status_code, rest.status_code)) == [201, 422]
    problem = assert_problem(
        await till.refund(order["id"], {"amount_cents": 2000}), 422, "refund_amount_invalid"
    )
    left = 499 if first.status_code == 201 else 1499
    assert f"{left} minor units are left" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "/amount_cents"
    last = await till.refunded(order["id"])
    assert last["amount_cents"] == left
    refunded = await till.until(order["id"], "refunded")
    assert refunded["amount_refunded_cents"] == 1999


async def test_only_what_was_captured_goes_back(till: Api) -> None:
    order = await till.authorized()
    await till.capture(order["id"], {"amount_cents": 700})
    await till.until(order["id"], "paid")
    too_much = await till.refund(order["id"], {"amount_cents": 701})
    problem = assert_problem(too_much, 422, "refund_amount_invalid")
    assert "700 minor units" in problem["detail"]
    assert "701" not in too_much.text
    assert (await till.refunded(order["id"]))["amount_cents"] == 700
    refunded = await till.until(order["id"], "refunded")
    assert (refunded["amount_captured_cents"], refunded["amount_refunded_cents"]) == (700, 700)


async def _thirty_percent_at_once(tills: list[Api]) -> None:
    """Of one order, asked for by each of the tills in turn."""
    api = tills[0]
    order = await api.paid(amount_cents=1000)
    answers = await asyncio.gather(
        *(
            tills[number % len(tills)].refund(order["id"], {"amount_cents": 300})
            for number in range(MANY)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {201: 3, 422: MANY - 3}
    for answer in answers:
        if answer.status_code == 422:
            assert_problem(answer, 422, "refund_amount_invalid")
    accepted = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    for refund_id in accepted:
        assert (await api.until_settled(refund_id))["status"] == "succeeded"
    order = await api.order(order["id"])
    assert (order["status"], order["amount_refunded_cents"]) == ("partially_refunded", 900)
    listed = await api.walk(f"/v1/orders/{order['id']}/refunds")
    assert {refund["id"] for refund in listed} == accepted
    assert (await api.refunded(order["id"]))["amount_cents"] == 100
    assert (await api.until(order["id"], "refunded"))["amount_refunded_cents"] == 1000


async def test_of_fifty_refunds_of_thirty_percent_at_once_three_are_accepted(till: Api) -> None:
    await _thirty_percent_at_once([till])


@pytest.fixture
async def two_tills(gateway_shop: Shop) -> AsyncIterator[list[Api]]:
    """One merchant, on two server processes with the same PostgreSQL."""
    api_key = await new_merchant(gateway_shop.harbor)
    with gateway_shop.harbor.serving() as second:
        async with client_of(gateway_shop.server) as here, client_of(second) as there:
            yield [Api(here, api_key), Api(there, api_key)]


async def test_of_fifty_refunds_of_thirty_percent_over_two_servers_three_are_accepted(
    two_tills: list[Api], gateway_shop: Shop
) -> None:
    for _ in range(3):
        await _thirty_percent_at_once(two_tills)
    refunds = [each for each in gateway_shop.bank.effects() if each.kind == "refund"]
    assert len({each.reference for each in refunds}) == len(refunds)


async def test_a_refund_repeated_over_two_servers_is_one(two_tills: list[Api]) -> None:
    order = await two_tills[0].paid()
    key = a_key()
    answers = await asyncio.gather(
        *(two_tills[n % 2].refund(order["id"], {"amount_cents": 1}, key) for n in range(20))
    )
    first = [answer for answer in answers if answer.status_code == 201]
    assert len(first) == 1
    for answer in answers:
        assert answer.status_code in (200, 201, 409)
        if answer.status_code == 409:
            assert_problem(answer, 409, "idempotency_in_progress")
        else:
            assert answer.content == first[0].content
    assert len(await two_tills[0].walk(f"/v1/orders/{order['id']}/refunds")) == 1


async def test_refunds_are_listed_newest_first_and_fetched_one_by_one(till: Api) -> None:
    order, another = await till.paid(), await till.paid()
    await till.refunded(another["id"])
    made = [
        await till.refunded(order["id"], amount_cents=amount, reason=f"reason {amount}")
        for amount in (1, 2, 3)
    ]
    settled = [await till.until_settled(refund["id"]) for refund in made]
    assert settled == [refund | {"status": "succeeded"} for refund in made]
    path = f"/v1/orders/{order['id']}/refunds"
    described = await described_by(till.client)
    answer = await till.get(path)
    described.assert_fits(answer, "get /v1/orders/{order_id}/refunds")
    assert answer.json() == {"data": settled[::-1], "has_more": False, "next_cursor": None}
    assert "link" not in answer.headers
    for limit in (1, 2, 3):
        assert await till.walk(path, limit=limit) == settled[::-1]
    for refund in settled:
        fetched = await till.get(f"/v1/refunds/{refund['id']}")
        described.assert_fits(fetched, "get /v1/refunds/{refund_id}")
        assert fetched.json() == refund


async def test_an_order_without_refunds_has_an_empty_list(till: Api) -> None:
    order = await till.placed()
    answer = await till.get(f"/v1/orders/{order['id']}/refunds")
    assert answer.json() == {"data": [], "has_more": False, "next_cursor": None}


async def test_unknown_foreign_and_malformed_refunds_cannot_be_told_apart(
    till: Api, other_till: Api
) -> None:
    order = await other_till.paid()
    theirs = (await other_till.refunded(order["id"], amount_cents=1))["id"]
    (charge,) = [o for o in await other_till.operations(order["id"]) if o["kind"] == "charge"]
    own = await till.paid()
    (no_refund,) = await till.operations(own["id"])
    described = await described_by(till.client)
    bodies = []
    ids = (str(uuid4()), theirs, theirs.upper(), charge["id"], no_refund["id"], own["id"], "42")
    for refund_id in (*ids, "%20", theirs + "0"):
        answer = await till.get(f"/v1/refunds/{refund_id}")
        described.assert_fits(answer, "get /v1/refunds/{refund_id}")
        problem = assert_problem(answer, 404, "refund_not_found")
        del problem["request_id"], problem["instance"]
        bodies.append(problem)
    assert all(body == bodies[0] for body in bodies)
    assert (await other_till.get(f"/v1/refunds/{theirs}")).status_code == 200


async def test_a_refund_is_read_with_the_scope_for_reading(till: Api) -> None:
    order = await till.paid()
    refund = await till.refunded(order["id"], amount_cents=1)
    reader = await till.issued(scopes=["orders:read"])
    writer = await till.issued(scopes=["orders:write"])
    for path in (f"/v1/refunds/{refund['id']}", f"/v1/orders/{order['id']}/refunds"):
        assert (await reader.get(path)).status_code == 200
        assert_problem(await writer.get(path), 403, "scope_missing")
    assert_problem(await reader.refund(order["id"]), 403, "scope_missing")
    assert (await writer.refund(order["id"], {"amount_cents": 1})).status_code == 201


async def test_a_repeated_refund_has_the_first_answer(till: Api) -> None:
    order = await till.paid()
    key = a_key()
    body = {"amount_cents": 700, "reason": MARKER}
    first = await till.refund(order["id"], body, key)
    assert first.status_code == 201

    async def is_replayed(**headers: str) -> None:
        repeat = await till.refund(order["id"], dict(reversed(body.items())), key, **headers)
        assert (repeat.status_code, repeat.content) == (200, first.content)
        assert repeat.headers["location"] == first.headers["location"]
        assert repeat.headers["idempotent-replayed"] == "true"

    await is_replayed()
    await till.until_settled(first.json()["id"])
    # The answer is the refund as it was; what it was decided by has changed since.
    await is_replayed()
    await is_replayed(If_Match='"3"')
    for other, named in (
        ({"amount_cents": 701, "reason": MARKER}, "amount_cents"),
        ({"amount_cents": 700}, "reason"),
        ({}, "amount_cents, reason"),
    ):
        answer = await till.refund(order["id"], other, key)
        problem = assert_problem(answer, 422, "idempotency_key_reused")
        assert f"values of: {named}." in problem["detail"]
        assert MARKER not in answer.text
    assert len(await till.walk(f"/v1/orders/{order['id']}/refunds")) == 1
    await till.refunded(order["id"])
    await till.until(order["id"], "refunded")
    # Nothing is left that could be refunded, and it is a repeat nonetheless.
    await is_replayed()


async def test_a_key_is_for_one_route_and_one_order(till: Api) -> None:
    order, another = await till.paid(), await till.paid()
    key = a_key()
    assert (await till.refund(order["id"], {}, key)).status_code == 201
    for send in (
        till.refund(another["id"], {}, key),
        till.capture(order["id"], {}, key),
        till.cancel(order["id"], {}, key),
        till.place(key),
    ):
        problem = assert_problem(await send, 422, "idempotency_key_reused")
        assert "another route" in problem["detail"]
    assert await till.order(another["id"]) == another


async def test_the_key_of_a_refund_leads_to_it(till: Api) -> None:
    order = await till.paid()
    key = a_key()
    refund = (await till.refund(order["id"], {"amount_cents": 5}, key)).json()
    answer = await till.get(path_of_key(key))
    (await described_by(till.client)).assert_fits(answer, "get /v1/idempotency-keys/{key}")
    outcome = answer.json()
    assert outcome == {
        "key": key,
        "state": "completed",
        "route": f"POST /v1/orders/{order['id']}/refunds",
        "resource_id": refund["id"],
        "order": None,
        "created_at": outcome["created_at"],
        "expires_at": outcome["expires_at"],
    }
    assert (await till.get(f"/v1/refunds/{outcome['resource_id']}")).status_code == 200


async def test_a_refund_of_the_version_that_the_caller_saw_is_made(till: Api) -> None:
    order = await till.paid()
    key = a_key()
    for expected in ('"2"', 'W/"3"', "garbage"):
        answer = await till.refund(order["id"], {"amount_cents": 1}, key, If_Match=expected)
        assert_problem(answer, 412, "version_mismatch")
    accepted = await till.refund(order["id"], {"amount_cents": 1}, key, If_Match='"3"')
    assert accepted.status_code == 201
    # The refund made another version of the order.
    second = await till.refund(order["id"], {"amount_cents": 1}, If_Match='"3"')
    assert_problem(second, 412, "version_mismatch")
    assert (await till.refund(order["id"], {"amount_cents": 1}, If_Match="*")).status_code == 201


async def test_of_two_who_saw_the_same_version_one_is_told_that_it_has_changed(till: Api) -> None:
    order = await till.paid()
    answers = await asyncio.gather(
        *(till.refund(order["id"], {"amount_cents": 1}, If_Match='"3"') for _ in range(10))
    )
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {201: 1, 412: 9}


@pytest.mark.parametrize(
    "reason", ["", "r" * 500, 'two\nlines and "quotes" \\ é 🐙', "\x01\x7f", "é" * 500]
)
async def test_a_reason_comes_back_as_it_was_sent(till: Api, reason: str) -> None:
    order = await till.paid()
    refund = await till.refunded(order["id"], amount_cents=1, reason=reason)
    assert refund["reason"] == reason
    assert (await till.until_settled(refund["id"]))["reason"] == reason


async def _invalid(till: Api, body: bytes, pointer: str, code: str) -> None:
    answer = await till.post(f"/v1/orders/{uuid4()}/refunds", body)
    problem = assert_problem(answer, 422, "validation_failed")
    assert [(each["pointer"], each["code"]) for each in problem["errors"]] == [(pointer, code)]
    assert MARKER not in answer.text


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("r" * 501, "too_long"),
        (f"{MARKER}\0", "pattern_mismatch"),
        (42, "wrong_type"),
        (True, "wrong_type"),
        ([MARKER], "wrong_type"),
        ({MARKER: MARKER}, "wrong_type"),
    ],
    ids=["501 characters", "NUL", "a number", "true", "an array", "an object"],
)
async def test_what_is_no_reason_is_refused(embedded_till: Api, reason: object, code: str) -> None:
    body = json.dumps({"amount_cents": 1, "reason": reason}).encode()
    await _invalid(embedded_till, body, "/reason", code)


async def test_a_raw_nul_in_a_reason_is_no_json(embedded_till: Api) -> None:
    answer = await embedded_till.refund(str(uuid4()), b'{"reason": "a\0"}')
    assert_problem(answer, 400, "malformed_request")


async def test_every_place_that_is_wrong_is_named_at_once(embedded_till: Api) -> None:
    body: dict[str, Any] = {"amount_cents": 0, "reason": "r" * 501, MARKER: 1}
    answer = await embedded_till.refund(str(uuid4()), body)
    problem = assert_problem(answer, 422, "validation_failed")
    assert {(each["pointer"], each["code"]) for each in problem["errors"]} == {
        ("/amount_cents", "too_small"),
        ("/reason", "too_long"),
        ("", "unknown_member"),
    }
    assert MARKER not in answer.text


async def test_orders_are_found_by_what_became_of_their_money(till: Api) -> None:
    paid, part, whole = [await till.paid() for _ in range(3)]
    await till.refunded(part["id"], amount_cents=1)
    await till.refunded(whole["id"])
    await till.until(part["id"], "partially_refunded")
    await till.until(whole["id"], "refunded")

    async def found(status: str) -> list[str]:
        answer: httpx2.Response = await till.get(f"/v1/orders?status={status}")
        return [order["id"] for order in answer.json()["data"]]

    assert await found("paid") == [paid["id"]]
    assert await found("partially_refunded") == [part["id"]]
    assert await found("refunded") == [whole["id"]]
