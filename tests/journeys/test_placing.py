"""Placing an order, and retrying it without fear."""

import asyncio
import json

import pytest

from tests.journeys.api import Api, a_key, an_order, assert_problem, is_uuid7
from tests.journeys.raw import exchange, post_order
from tests.journeys.server import HarborServer

pytestmark = pytest.mark.anyio


async def test_an_order_is_placed(api: Api) -> None:
    answer = await api.place(customer_id="cus_7", metadata={"department": "procurement"})
    order = answer.json()
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == f"/v1/orders/{order['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["idempotent-replayed"] == "false"
    assert is_uuid7(order["id"])
    assert order["created_at"] == order["updated_at"]
    assert order == {
        "id": order["id"],
        "status": "pending",
        "customer_id": "cus_7",
        "amount_cents": 1999,
        "currency": "EUR",
        "invoice_id": None,
        "description": None,
        "payment_method": None,
        "capture_method": "automatic",
        "metadata": {"department": "procurement"},
        "amount_captured_cents": 0,
        "amount_refunded_cents": 0,
        "failure": None,
        "version": 1,
        "created_at": order["created_at"],
        "updated_at": order["updated_at"],
    }


async def test_every_member_of_an_order_comes_back_as_it_was_sent(api: Api) -> None:
    sent = {
        "customer_id": "Zoë/7 % 東京 🐙",
        "amount_cents": 10_000_000,
        "currency": "JPY",
        "invoice_id": "INV-1",
        "description": 'two\nlines\tand "quotes" \\ / é 🐙',
        "payment_method": "sim_approve",
        "capture_method": "manual",
        "metadata": {"k" * 40: "v" * 500, "🐙": "\n"} | {str(n): "" for n in range(48)},
    }
    order = await api.placed(**sent)
    assert {name: order[name] for name in sent} == sent
    assert (await api.get(f"/v1/orders/{order['id']}")).json() == order


async def test_a_retry_has_the_same_bytes_and_location(api: Api) -> None:
    key = a_key()
    first = await api.place(key)
    for _ in range(3):
        retry = await api.place(key)
        assert retry.status_code == 200
        assert retry.content == first.content
        assert retry.headers["location"] == first.headers["location"]
        assert retry.headers["etag"] == first.headers["etag"]
        assert retry.headers["idempotent-replayed"] == "true"
    assert len(await api.walk("/v1/orders")) == 1


async def test_the_order_of_members_and_white_space_do_not_matter(api: Api) -> None:
    key = a_key()
    body = an_order(metadata={"a": "1", "b": "2"})
    first = await api.post("/v1/orders", body, key)
    shuffled = dict(reversed(body.items())) | {"metadata": {"b": "2", "a": "1"}}
    for spelling in (
        json.dumps(shuffled, indent=3),
        json.dumps(shuffled, separators=(",", ":")),
        json.dumps(body).replace("cus_42", "\\u0063us_42"),
    ):
        retry = await api.post("/v1/orders", spelling.encode(), key)
        assert (retry.status_code, retry.content) == (200, first.content), spelling


async def test_another_body_is_refused_naming_what_differs_and_no_value(api: Api) -> None:
    key = a_key()
    await api.place(key, customer_id="first-customer", description="first-words")
    refused = await api.place(key, customer_id="other-customer", amount_cents=4321)
    problem = assert_problem(refused, 422, "idempotency_key_reused")
    assert "amount_cents, customer_id, description" in problem["detail"]
    assert "currency" not in problem["detail"]
    for value in ("first-customer", "other-customer", "first-words", "4321", "1999"):
        assert value not in refused.text
    assert len(await api.walk("/v1/orders")) == 1


async def test_a_member_that_is_null_differs_from_one_that_is_absent(api: Api) -> None:
    key = a_key()
    await api.place(key)
    refused = await api.place(key, invoice_id=None)
    assert "invoice_id" in assert_problem(refused, 422, "idempotency_key_reused")["detail"]


async def test_another_route_is_refused_naming_the_route(api: Api) -> None:
    key = a_key()
    await api.place(key)
    refused = await api.post("/v1/api-keys", {"scopes": ["orders:read"]}, key)
    assert "on another route" in assert_problem(refused, 422, "idempotency_key_reused")["detail"]
    assert len(await api.walk("/v1/api-keys")) == 1


async def test_a_refused_request_does_not_burn_its_key(api: Api) -> None:
    key = a_key()
    for changes in ({"amount_cents": 0}, {"payment_method": "tok_unknown"}):
        refused = await api.place(key, **changes)
        assert refused.status_code == 422
    assert (await api.place(key)).status_code == 201


async def test_a_key_belongs_to_the_merchant_and_not_to_the_api_key(api: Api) -> None:
    key = a_key()
    first = await api.place(key)
    second_key = await api.issued(scopes=["orders:write"])
    retry = await second_key.place(key)
    assert (retry.status_code, retry.content) == (200, first.content)


async def test_two_merchants_use_the_same_key_independently(api: Api, other: Api) -> None:
    key = a_key()
    mine = await api.place(key)
    theirs = await other.place(key, amount_cents=1)
    assert (mine.status_code, theirs.status_code) == (201, 201)
    assert mine.json()["id"] != theirs.json()["id"]


async def test_a_quoted_key_is_the_same_key(api: Api) -> None:
    first = await api.place("abc")
    retry = await api.place('"abc"')
    assert (retry.status_code, retry.content) == (200, first.content)


async def test_a_key_has_up_to_255_visible_characters(api: Api) -> None:
    for key in ("x", "!~#[]{}/?%20", "k" * 255):
        assert (await api.place(key)).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "é", '""', '"a" b"', " \t "])
async def test_an_invalid_key_is_refused(
    sqlite_server: HarborServer, sqlite_api: Api, key: str
) -> None:
    answer = await exchange(sqlite_server, post_order(sqlite_api.api_key, key, an_order()))
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "idempotency_key_invalid")


async def test_white_space_around_a_key_is_not_part_of_it(
    sqlite_server: HarborServer, sqlite_api: Api
) -> None:
    first = await sqlite_api.place("abc")
    sent = post_order(sqlite_api.api_key, "\t abc \t", an_order())
    retry = await exchange(sqlite_server, sent)
    assert (retry.status, retry.body) == (200, first.content)


async def test_a_missing_key_is_refused(sqlite_api: Api) -> None:
    answer = await sqlite_api.client.post("/v1/orders", json=an_order(), headers=sqlite_api.bearer)
    assert_problem(answer, 400, "idempotency_key_missing")


async def test_a_key_sent_twice_is_refused(sqlite_api: Api) -> None:
    answer = await sqlite_api.client.post(
        "/v1/orders",
        json=an_order(),
        headers=[
            ("Authorization", f"Bearer {sqlite_api.api_key}"),
            ("Idempotency-Key", "a"),
            ("Idempotency-Key", "a"),
        ],
    )
    assert_problem(answer, 400, "idempotency_key_invalid")


async def test_twenty_duplicates_at_once_make_one_order(api: Api) -> None:
    key = a_key()
    answers = await asyncio.gather(*(api.place(key) for _ in range(20)))
    first = [answer for answer in answers if answer.status_code == 201]
    assert len(first) == 1
    for answer in answers:
        assert answer.status_code in (201, 200, 409)
        if answer.status_code != 409:
            assert answer.content == first[0].content
    assert len(await api.walk("/v1/orders")) == 1
