"""Manual capture: reserving money, taking all or a part of it, or letting go of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from domain.order import OrderStatus
from tests.journeys.api import (
    Api,
    a_key,
    an_order,
    assert_problem,
    client_of,
    described_by,
    new_merchant,
    path_of_key,
)
from tests.journeys.server import Harbor, Shop

pytestmark = pytest.mark.anyio

CAPTURE = "post /v1/orders/{order_id}/capture"
CANCEL = "post /v1/orders/{order_id}/cancel"
VERBS = ("capture", "cancel", "refunds")
ALLOWED = {
    "capture": {"authorized"},
    "cancel": {"pending", "authorized"},
    "refunds": {"paid", "partially_refunded"},
}
SILENT = "sim_timeout_before"
"""A payment method that leaves an order in `processing` for ten seconds."""

TOO_MUCH = ("2000", "10000000")
NO_AMOUNTS = (
    *("0", "-1", "-0", '"1"', "1.0", "1.5", "1e2", "true", "false", "[1]", "{}", '""'),
    *("10000001", "9223372036854775807", "9223372036854775808", "-9223372036854775808"),
)
UNREADABLE = (
    b"{",
    b" ",
    b'{"amount_cents": 1',
    b'{"amount_cents": 1} x',
    b'{"amount_cents": 01}',
    b'{"amount_cents": NaN}',
    b'{"amount_cents": 99999999999999999999}',
    b'{"amount_cents": 1, "amount_cents": 2}',
    b"\xff",
    b'{"amount_cents": "\\ud800"}',
    b"[" * 17 + b"]" * 17,
)


async def test_an_authorized_order_holds_money_and_takes_none(till: Api) -> None:
    placed = await till.placed(capture_method="manual")
    authorized = await till.until(placed["id"], "authorized")
    assert authorized == placed | {
        "status": "authorized",
        "version": 3,
        "updated_at": authorized["updated_at"],
    }


@pytest.mark.parametrize(
    "body",
    [None, b"", {}, {"amount_cents": None}, {"amount_cents": 1999}],
    ids=["absent", "empty", "an empty object", "null", "the amount"],
)
async def test_all_of_it_is_captured(till: Api, body: object) -> None:
    order = await till.authorized()
    answer = await till.capture(order["id"], body)
    (await described_by(till.client)).assert_fits(answer, CAPTURE)
    accepted = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert answer.headers["idempotent-replayed"] == "false"
    assert accepted == order | {
        "status": "processing",
        "version": 4,
        "updated_at": accepted["updated_at"],
    }
    paid = await till.until(order["id"], "paid")
    assert paid == accepted | {
        "status": "paid",
        "amount_captured_cents": 1999,
        "version": 5,
        "updated_at": paid["updated_at"],
    }


@pytest.mark.parametrize("amount", [1, 1998])
async def test_a_part_of_it_is_captured_and_no_second_part(
    till: Api, shop: Shop, amount: int
) -> None:
    order = await till.authorized()
    assert (await till.capture(order["id"], {"amount_cents": amount})).status_code == 202
    paid = await till.until(order["id"], "paid")
    assert (paid["amount_cents"], paid["amount_captured_cents"]) == (1999, amount)
    for again in (None, {"amount_cents": 1}):
        assert_problem(await till.capture(order["id"], again), 409, "order_is_paid")
    capture, authorize = await till.operations(order["id"])
    done = [each for each in shop.bank.effects() if each.reference == capture["id"]]
    assert [(each.kind, each.amount) for each in done] == [("capture", amount)]
    assert (authorize["kind"], authorize["amount_cents"]) == ("authorize", 1999)


async def test_more_than_it_holds_is_refused_and_the_key_stays_usable(till: Api) -> None:
    order = await till.authorized()
    key = a_key()
    for amount in map(int, TOO_MUCH):
        answer = await till.capture(order["id"], {"amount_cents": amount}, key)
        problem = assert_problem(answer, 422, "capture_amount_invalid")
        assert problem["errors"][0]["pointer"] == "/amount_cents"
        assert "1999" in problem["detail"]
        assert str(amount) not in answer.text
    assert await till.order(order["id"]) == order
    assert len(await till.operations(order["id"])) == 1
    assert (await till.capture(order["id"], {"amount_cents": 1999}, key)).status_code == 202
    await till.until(order["id"], "paid")


async def test_a_second_capture_under_another_key_is_refused(till: Api, shop: Shop) -> None:
    order = await till.authorized()
    answers = await asyncio.gather(*(till.capture(order["id"]) for _ in range(10)))
    accepted = [answer for answer in answers if answer.status_code == 202]
    assert len(accepted) == 1
    for answer in answers:
        if answer is not accepted[0]:
            code = answer.json()["code"]
            assert code in ("order_is_processing", "order_is_paid")
            assert_problem(answer, 409, code)
    await till.until(order["id"], "paid")
    assert_problem(await till.capture(order["id"]), 409, "order_is_paid")
    capture, _ = await till.operations(order["id"])
    assert [e.kind for e in shop.bank.effects() if e.reference == capture["id"]] == ["capture"]


async def test_a_capture_and_a_cancellation_that_race_have_one_winner(till: Api) -> None:
    orders = [await till.authorized() for _ in range(5)]
    for order in orders:
        captured, canceled = await asyncio.gather(
            till.capture(order["id"]), till.cancel(order["id"])
        )
        assert sorted((captured.status_code, canceled.status_code)) == [202, 409]
        wanted = "paid" if captured.status_code == 202 else "canceled"
        assert (await till.until(order["id"], "paid", "canceled"))["status"] == wanted
        kinds = [operation["kind"] for operation in await till.operations(order["id"])]
        assert kinds == ["capture" if wanted == "paid" else "void", "authorize"]


async def _is_replayed(
    first: httpx2.Response, send: Callable[..., Awaitable[httpx2.Response]]
) -> None:
    for _ in range(3):
        repeat = await send()
        assert (repeat.status_code, repeat.content) == (200, first.content)
        assert repeat.headers["location"] == first.headers["location"]
        assert repeat.headers["idempotent-replayed"] == "true"


async def test_a_repeated_capture_has_the_first_answer(till: Api) -> None:
    order = await till.authorized()
    key = a_key()
    body = {"amount_cents": 700}
    first = await till.capture(order["id"], body, key)
    assert first.status_code == 202
    await _is_replayed(first, lambda: till.capture(order["id"], body, key))
    await till.until(order["id"], "paid")
    await _is_replayed(first, lambda: till.capture(order["id"], body, key))
    # What it was decided by has changed since; it is the same request nonetheless.
    await _is_replayed(first, lambda: till.capture(order["id"], body, key, If_Match='"3"'))
    other = await till.capture(order["id"], {"amount_cents": 701}, key)
    problem = assert_problem(other, 422, "idempotency_key_reused")
    assert "amount_cents" in problem["detail"]
    assert "701" not in other.text
    assert len(await till.operations(order["id"])) == 2


async def test_twenty_duplicates_of_a_capture_at_once_are_one(till: Api) -> None:
    order = await till.authorized()
    key = a_key()
    answers = await asyncio.gather(*(till.capture(order["id"], None, key) for _ in range(20)))
    first = [answer for answer in answers if answer.status_code == 202]
    assert len(first) == 1
    for answer in answers:
        assert answer.status_code in (200, 202) or answer.json()["code"] == (
            "idempotency_in_progress"
        )
        if answer.status_code != 409:
            assert answer.content == first[0].content
    await till.until(order["id"], "paid")
    assert len(await till.operations(order["id"])) == 2


async def test_a_body_that_is_absent_or_empty_is_the_same_request(till: Api) -> None:
    order = await till.authorized()
    key = a_key()
    first = await till.capture(order["id"], None, key)
    assert first.status_code == 202
    spellings: tuple[object, ...] = (b"", {}, b" {} ", None)
    for body in spellings:
        repeat = await till.capture(order["id"], body, key)
        assert (repeat.status_code, repeat.content) == (200, first.content), body


async def test_a_key_is_for_one_route_and_one_order(till: Api) -> None:
    order, another = await till.authorized(), await till.authorized()
    key = a_key()
    first = await till.capture(order["id"], None, key)
    assert first.status_code == 202
    for send in (
        till.capture(another["id"], None, key),
        till.cancel(order["id"], None, key),
        till.refund(order["id"], None, key),
        till.place(key),
    ):
        problem = assert_problem(await send, 422, "idempotency_key_reused")
        assert "another route" in problem["detail"]
    assert await till.order(another["id"]) == another
    placing = a_key()
    await till.place(placing)
    reused = await till.capture(another["id"], None, placing)
    assert_problem(reused, 422, "idempotency_key_reused")


async def test_the_key_of_a_capture_leads_to_its_order(till: Api) -> None:
    order = await till.authorized()
    key = a_key()
    await till.capture(order["id"], None, key)
    paid = await till.until(order["id"], "paid")
    answer = await till.get(path_of_key(key))
    (await described_by(till.client)).assert_fits(answer, "get /v1/idempotency-keys/{key}")
    outcome = answer.json()
    assert outcome == {
        "key": key,
        "state": "completed",
        "route": f"POST /v1/orders/{order['id']}/capture",
        "resource_id": order["id"],
        "order": paid,
        "created_at": outcome["created_at"],
        "expires_at": outcome["expires_at"],
    }


@pytest.mark.parametrize("verb", ["capture", "cancel"])
@pytest.mark.parametrize("expected", ['"3"', "*", '"1", "3"', '"3" , W/"2"', '"9",\t"3"'])
async def test_a_change_of_the_version_that_the_caller_saw_is_made(
    till: Api, verb: str, expected: str
) -> None:
    order = await till.authorized()
    etag = (await till.get(f"/v1/orders/{order['id']}")).headers["etag"]
    assert etag == '"3"'
    answer = await till.post(f"/v1/orders/{order['id']}/{verb}", If_Match=expected)
    assert answer.status_code == 202


@pytest.mark.parametrize("verb", ["capture", "cancel"])
async def test_a_change_of_another_version_is_refused_and_the_key_stays_usable(
    till: Api, verb: str
) -> None:
    order = await till.authorized()
    path = f"/v1/orders/{order['id']}/{verb}"
    key = a_key()
    for expected in ('"2"', '"4"', 'W/"3"', "3", "garbage", '"03"', "'3'", '"3', '"2", "4"', ""):
        answer = await till.post(path, None, key, If_Match=expected)
        problem = assert_problem(answer, 412, "version_mismatch")
        assert expected in ("", "3") or expected not in answer.text
        assert "If-Match" in problem["detail"]
    assert await till.order(order["id"]) == order
    assert (await till.post(path, None, key, If_Match='"3"')).status_code == 202


async def test_two_if_match_headers_are_one_list(till: Api) -> None:
    order = await till.authorized()
    for tags, status in ((('"1"', '"2"'), 412), (('"1"', '"3"'), 202)):
        answer = await till.client.post(
            f"/v1/orders/{order['id']}/capture",
            headers=[
                *till.bearer.items(),
                ("Idempotency-Key", a_key()),
                *(("If-Match", tag) for tag in tags),
            ],
        )
        assert answer.status_code == status


@pytest.mark.parametrize("body", [None, b"", {}], ids=["absent", "empty", "an empty object"])
async def test_an_order_that_nobody_has_taken_up_is_canceled_at_once(
    api: Api, body: object
) -> None:
    order = await api.placed()
    key = a_key()
    answer = await api.cancel(order["id"], body, key)
    (await described_by(api.client)).assert_fits(answer, CANCEL)
    canceled = answer.json()
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (200, "false")
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert canceled == order | {
        "status": "canceled",
        "version": 2,
        "updated_at": canceled["updated_at"],
    }
    assert await api.order(order["id"]) == canceled
    await _is_replayed(answer, lambda: api.cancel(order["id"], body, key))
    assert_problem(await api.cancel(order["id"]), 409, "order_is_canceled")


async def test_what_was_canceled_in_time_is_never_charged(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    with harbor.serving("--no-worker") as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(harbor))
            canceled, kept = await api.placed(), await api.placed()
            assert (await api.cancel(canceled["id"])).status_code == 200
            with harbor.working() as worker:
                await api.until(kept["id"], "paid")
                assert worker.stop() == 0
            assert (await api.order(canceled["id"]))["status"] == "canceled"
            (withdrawn,) = await api.operations(canceled["id"])
            (charge,) = await api.operations(kept["id"])
            assert (withdrawn["status"], withdrawn["attempts"]) == ("withdrawn", [])
    assert [effect.reference for effect in harbor.effects()] == [charge["id"]]


async def test_an_authorized_order_is_canceled_once_the_gateway_has_let_go(
    till: Api, shop: Shop
) -> None:
    order = await till.authorized()
    key = a_key()
    answer = await till.cancel(order["id"], {}, key)
    (await described_by(till.client)).assert_fits(answer, CANCEL)
    accepted = answer.json()
    assert answer.status_code == 202
    assert accepted == order | {
        "status": "processing",
        "version": 4,
        "updated_at": accepted["updated_at"],
    }
    canceled = await till.until(order["id"], "canceled")
    assert canceled == accepted | {
        "status": "canceled",
        "version": 5,
        "updated_at": canceled["updated_at"],
    }
    await _is_replayed(answer, lambda: till.cancel(order["id"], {}, key))
    void, _ = await till.operations(order["id"])
    assert (void["kind"], void["status"]) == ("void", "succeeded")
    assert [e.kind for e in shop.bank.effects() if e.reference == void["id"]] == ["void"]


async def _in_each_status(api: Api) -> dict[str, str]:
    """The ids of orders by their status, but for `pending`."""
    orders = {
        status: await api.placed(capture_method=method, payment_method=token)
        for status, method, token in (
            ("failed", "automatic", "sim_decline"),
            ("authorized", "manual", None),
            ("canceled", "manual", None),
            ("paid", "automatic", None),
            ("partially_refunded", "automatic", None),
            ("refunded", "automatic", None),
        )
    }
    await api.until(orders["canceled"]["id"], "authorized")
    assert (await api.cancel(orders["canceled"]["id"])).status_code == 202
    for status, body in (("partially_refunded", {"amount_cents": 1}), ("refunded", {})):
        await api.until(orders[status]["id"], "paid")
        assert (await api.refund(orders[status]["id"], body)).status_code == 201
    for status, order in orders.items():
        await api.until(order["id"], status)
    orders["processing"] = await api.placed(payment_method=SILENT)
    await api.until(orders["processing"]["id"], "processing")
    return {status: order["id"] for status, order in orders.items()}


async def test_what_an_orders_status_does_not_allow_is_refused_naming_the_status(
    till: Api,
) -> None:
    orders = await _in_each_status(till)
    assert {*orders, "pending"} == {status.value for status in OrderStatus}
    described = await described_by(till.client)
    for status, order_id in orders.items():
        for verb in VERBS:
            if status in ALLOWED[verb]:
                continue
            before = await till.order(order_id)
            for body in (None, {} if verb == "cancel" else {"amount_cents": 1}):
                answer = await till.post(f"/v1/orders/{order_id}/{verb}", body)
                problem = assert_problem(answer, 409, f"order_is_{status}")
                assert f"The order is {status}." in problem["detail"]
                described.assert_fits(answer, f"post /v1/orders/{{order_id}}/{verb}")
            assert await till.order(order_id) == before


async def test_a_pending_order_can_only_be_canceled(api: Api) -> None:
    order = await api.placed()
    for verb in ("capture", "refunds"):
        answer = await api.post(f"/v1/orders/{order['id']}/{verb}")
        assert_problem(answer, 409, "order_is_pending")
    assert await api.order(order["id"]) == order


async def test_unknown_foreign_and_malformed_orders_cannot_be_told_apart(
    till: Api, other_till: Api
) -> None:
    theirs = (await other_till.authorized())["id"]
    ids = (str(uuid4()), theirs, theirs.upper(), "42", "%20", "{}", theirs + "0")
    for method, verb in (
        *(("POST", verb) for verb in VERBS),
        *(("GET", verb) for verb in ("refunds", "operations")),
    ):
        bodies = []
        for order_id in ids:
            path = f"/v1/orders/{order_id}/{verb}"
            answer = await (till.post(path, {}) if method == "POST" else till.get(path))
            problem = assert_problem(answer, 404, "order_not_found")
            del problem["request_id"], problem["instance"]
            bodies.append(problem)
        assert all(body == bodies[0] for body in bodies)
    assert (await other_till.order(theirs))["version"] == 3
    assert (await other_till.capture(theirs)).status_code == 202


async def test_who_may_only_read_changes_nothing(till: Api) -> None:
    order = await till.authorized()
    reader = await till.issued(scopes=["orders:read"])
    for verb in VERBS:
        for body in (None, b"{", b'{"amount_cents": 0}'):
            answer = await reader.post(f"/v1/orders/{order['id']}/{verb}", body)
            problem = assert_problem(answer, 403, "scope_missing")
            assert "orders:write" in problem["detail"]
    assert (await reader.operations(order["id"]))[0]["kind"] == "authorize"
    assert await reader.order(order["id"]) == order
    writer = await till.issued(scopes=["orders:write"])
    assert (await writer.capture(order["id"])).status_code == 202
    for path in ("operations", "refunds"):
        answer = await writer.get(f"/v1/orders/{order['id']}/{path}")
        assert_problem(answer, 403, "scope_missing")


async def _refused(till: Api, path: str, body: bytes, status: int, code: str) -> dict[str, Any]:
    answer = await till.post(path, body)
    assert b"m4rk3r" not in answer.content
    return assert_problem(answer, status, code)


@pytest.mark.parametrize("verb", ["capture", "refunds"])
@pytest.mark.parametrize("amount", NO_AMOUNTS)
async def test_what_is_no_amount_is_refused(embedded_till: Api, verb: str, amount: str) -> None:
    path = f"/v1/orders/{uuid4()}/{verb}"
    body = f'{{"amount_cents": {amount}}}'.encode()
    problem = await _refused(embedded_till, path, body, 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "/amount_cents"


@pytest.mark.parametrize("verb", VERBS)
async def test_what_is_no_body_is_refused(embedded_till: Api, verb: str) -> None:
    path = f"/v1/orders/{uuid4()}/{verb}"
    for body in UNREADABLE:
        await _refused(embedded_till, path, body, 400, "malformed_request")
    for body in (b"[]", b'"m4rk3r"', b"1", b"true", b"[{}]"):
        problem = await _refused(embedded_till, path, body, 422, "validation_failed")
        assert problem["errors"][0]["pointer"] == ""
    for member in (
        "m4rk3r",
        "amount",
        "currency",
        "order_id",
        *["amount_cents"] * (verb == "cancel"),
    ):
        body = json.dumps({member: 1}).encode()
        problem = await _refused(embedded_till, path, body, 422, "validation_failed")
        assert [each["code"] for each in problem["errors"]] == ["unknown_member"]
    await _refused(embedded_till, path, b" " * 65_537, 413, "body_too_large")


@pytest.mark.parametrize("verb", VERBS)
async def test_a_body_that_cannot_be_read_moves_no_money(till: Api, verb: str) -> None:
    """To read it as none would be to move everything."""
    order = await (till.paid() if verb == "refunds" else till.authorized())
    key = a_key()
    for body in UNREADABLE:
        answer = await till.post(f"/v1/orders/{order['id']}/{verb}", body, key)
        assert_problem(answer, 400, "malformed_request")
        assert await till.order(order["id"]) == order
    assert len(await till.operations(order["id"])) == 1


@pytest.mark.parametrize("verb", VERBS)
async def test_a_change_needs_a_key_a_credential_and_json(embedded_till: Api, verb: str) -> None:
    path = f"/v1/orders/{uuid4()}/{verb}"
    client, bearer = embedded_till.client, embedded_till.bearer
    missing = await client.post(path, json={}, headers=bearer)
    assert_problem(missing, 400, "idempotency_key_missing")
    for key in ("", "two words", "k" * 256):
        answer = await client.post(path, json={}, headers=bearer | {"Idempotency-Key": key})
        assert_problem(answer, 400, "idempotency_key_invalid")
    nobody = await client.post(path, json={}, headers={"Idempotency-Key": a_key()})
    assert_problem(nobody, 401, "api_key_missing")
    text = {"Idempotency-Key": a_key(), "Content-Type": "text/plain"}
    unsupported = await client.post(path, content=b"{}", headers=bearer | text)
    assert_problem(unsupported, 415, "unsupported_media_type")
    assert (await client.get(path, headers=bearer)).status_code == (
        404 if verb == "refunds" else 405
    )


async def test_a_refused_change_leaves_its_key_to_another_request(till: Api) -> None:
    order = await till.authorized()
    key = a_key()
    refusals = (
        till.capture(order["id"], {"amount_cents": 0}, key),
        till.refund(order["id"], None, key),
        till.capture(str(uuid4()), None, key),
        till.capture(order["id"], b"{", key),
    )
    for refusal in refusals:
        assert (await refusal).status_code in (400, 404, 409, 422)
    assert (await till.get(path_of_key(key))).json()["state"] == "never_seen"
    assert (await till.post("/v1/orders", an_order(), key)).status_code == 201
