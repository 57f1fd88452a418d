"""Fetching an order, and finding out what became of a key."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from tests.journeys.api import Api, a_key, assert_problem, path_of_key

pytestmark = pytest.mark.anyio


async def test_an_order_is_fetched_as_it_was_placed(api: Api) -> None:
    placed = await api.place()
    fetched = await api.get(placed.headers["location"])
    assert fetched.status_code == 200
    assert fetched.content == placed.content
    assert fetched.headers["etag"] == placed.headers["etag"]
    assert fetched.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("known", ['"1"', 'W/"1"', '"0", "1"', "*", '"7" , W/"1"'])
async def test_what_the_client_has_already_is_not_sent_again(sqlite_api: Api, known: str) -> None:
    order = await sqlite_api.placed()
    answer = await sqlite_api.get(f"/v1/orders/{order['id']}", If_None_Match=known)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == '"1"'


@pytest.mark.parametrize("known", ['"2"', "1", "", '"1x"', "W/1"])
async def test_another_version_is_sent(sqlite_api: Api, known: str) -> None:
    order = await sqlite_api.placed()
    answer = await sqlite_api.get(f"/v1/orders/{order['id']}", If_None_Match=known)
    assert (answer.status_code, answer.json()) == (200, order)


async def test_unknown_foreign_and_malformed_ids_cannot_be_told_apart(api: Api, other: Api) -> None:
    foreign = (await other.placed())["id"]
    bodies = []
    for order_id in (str(uuid4()), foreign, "42", foreign.upper(), "%20", foreign + "0", "{}"):
        problem = assert_problem(await api.get(f"/v1/orders/{order_id}"), 404, "order_not_found")
        del problem["request_id"], problem["instance"]
        bodies.append(problem)
    assert all(body == bodies[0] for body in bodies)


async def test_a_key_that_was_never_seen_says_so(api: Api) -> None:
    answer = await api.get(path_of_key("nobody-sent-this"))
    assert answer.status_code == 200
    assert answer.json() == {
        "key": "nobody-sent-this",
        "state": "never_seen",
        "route": None,
        "resource_id": None,
        "order": None,
        "created_at": None,
        "expires_at": None,
    }


@pytest.mark.parametrize("key", ["plain", "a/b", "/", "a//b/", "100%", "%2F", "a?b#c", "+", "~:@"])
async def test_a_key_that_made_an_order_leads_to_it(api: Api, key: str) -> None:
    order = (await api.place(key)).json()
    outcome = (await api.get(path_of_key(key))).json()
    kept = datetime.fromisoformat(outcome["expires_at"]) - datetime.fromisoformat(
        outcome["created_at"]
    )
    assert kept == timedelta(days=30)
    assert outcome == {
        "key": key,
        "state": "completed",
        "route": "POST /v1/orders",
        "resource_id": order["id"],
        "order": order,
        "created_at": order["created_at"],
        "expires_at": outcome["expires_at"],
    }


async def test_a_key_that_made_an_api_key_shows_no_secret(api: Api) -> None:
    key = a_key()
    made = await api.post("/v1/api-keys", {"scopes": ["orders:read"]}, key)
    answer = await api.get(path_of_key(key))
    outcome = answer.json()
    assert (outcome["state"], outcome["route"]) == ("completed", "POST /v1/api-keys")
    assert (outcome["resource_id"], outcome["order"]) == (made.json()["id"], None)
    assert made.json()["api_key"] not in answer.text


async def test_a_key_of_another_merchant_was_never_seen(api: Api, other: Api) -> None:
    key = a_key()
    await other.place(key)
    assert (await api.get(path_of_key(key))).json()["state"] == "never_seen"


@pytest.mark.parametrize("key", ["two words", "é", "k" * 256, ""])
async def test_no_outcome_is_kept_for_what_is_no_key(sqlite_api: Api, key: str) -> None:
    assert_problem(await sqlite_api.get(path_of_key(key)), 400, "idempotency_key_invalid")


async def test_a_key_is_never_seen_or_in_progress_or_completed_while_its_order_is_placed(
    api: Api,
) -> None:
    key = a_key()
    placing = asyncio.create_task(api.place(key))
    states = []
    while not placing.done():
        states.append((await api.get(path_of_key(key))).json()["state"])
    states.append((await api.get(path_of_key(key))).json()["state"])
    order = ["never_seen", "in_progress", "completed"]
    assert states == sorted(states, key=order.index)
    assert states[-1] == "completed"
