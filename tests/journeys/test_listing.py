"""Lists: a customer's orders, the merchant's, filters, pages and cursors."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.journeys.api import Api, assert_problem, path_of_customer

pytestmark = pytest.mark.anyio


def _ids(orders: list[dict[str, Any]]) -> list[str]:
    return [order["id"] for order in orders]


async def _some_orders(api: Api, count: int, **changes: Any) -> list[dict[str, Any]]:
    """The newest first, as a list shows them."""
    return [await api.placed(**changes) for _ in range(count)][::-1]


async def test_a_customers_orders_are_listed_newest_first(api: Api) -> None:
    mine = await _some_orders(api, 3, customer_id="cus_1")
    await api.placed(customer_id="cus_2")
    answer = await api.get(path_of_customer("cus_1"))
    assert answer.status_code == 200
    assert answer.json() == {"data": mine, "has_more": False, "next_cursor": None}
    assert "link" not in answer.headers


@pytest.mark.parametrize(
    "customer_id",
    [
        "a/b",
        "/",
        "a/orders",
        "a/orders/b",
        "100%",
        "%2F",
        "ünï/ç ø∂é🐙",
        "a?b=c#d",
        "a b",
        "+",
    ],
)
async def test_any_customer_id_works_in_a_path(api: Api, customer_id: str) -> None:
    order = await api.placed(customer_id=customer_id)
    await api.placed(customer_id="someone else")
    assert (await api.get(path_of_customer(customer_id))).json()["data"] == [order]
    filtered = await api.get("/v1/orders?" + urlencode({"customer_id": customer_id}))
    assert filtered.json()["data"] == [order]


async def test_a_customer_without_orders_has_an_empty_list(api: Api) -> None:
    answer = await api.get(path_of_customer("nobody"))
    assert answer.json() == {"data": [], "has_more": False, "next_cursor": None}


@pytest.mark.parametrize("customer_id", ["", "c" * 129])
async def test_what_is_no_customer_id_is_refused(sqlite_api: Api, customer_id: str) -> None:
    answer = await sqlite_api.get(path_of_customer(customer_id))
    problem = assert_problem(answer, 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "/path/customer_id"


@pytest.mark.parametrize("path", ["customers/a%0Ab/orders", "orders%0A", "idempotency-keys/a%7F"])
async def test_a_control_character_in_a_path_is_refused(sqlite_api: Api, path: str) -> None:
    assert_problem(await sqlite_api.get(f"/v1/{path}"), 400, "malformed_request")


async def test_orders_are_filtered(api: Api) -> None:
    first = await api.placed(customer_id="a", invoice_id="one")
    second = await api.placed(customer_id="a", invoice_id="two")
    third = await api.placed(customer_id="b", invoice_id="one")
    for filters, expected in (
        ({}, [third, second, first]),
        ({"customer_id": "a"}, [second, first]),
        ({"invoice_id": "one"}, [third, first]),
        ({"customer_id": "a", "invoice_id": "one"}, [first]),
        ({"status": "pending"}, [third, second, first]),
        ({"status": "paid"}, []),
        ({"created_after": first["created_at"]}, [third, second]),
        ({"created_before": third["created_at"]}, [second, first]),
        (
            {"created_after": first["created_at"], "created_before": third["created_at"]},
            [second],
        ),
        ({"created_after": "2000-01-01T00:00:00+14:00"}, [third, second, first]),
        ({"created_before": "9999-12-31T23:59:59Z"}, [third, second, first]),
        ({"created_before": "0001-01-01T00:00:00Z"}, []),
    ):
        answer = await api.get("/v1/orders?" + urlencode(filters))
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == expected, filters


async def test_a_moment_means_the_same_in_every_time_zone(api: Api) -> None:
    first, second = await api.placed(), await api.placed()
    elsewhere = datetime.fromisoformat(first["created_at"]).astimezone(
        tz=datetime.fromisoformat("2026-01-01T00:00:00+05:45").tzinfo
    )
    answer = await api.get("/v1/orders?created_after=" + quote(elsewhere.isoformat()))
    assert answer.json()["data"] == [second]


async def test_moments_differ_by_microseconds(api: Api) -> None:
    order = await api.placed()
    moment = datetime.fromisoformat(order["created_at"])
    just_before = quote((moment - timedelta(microseconds=1)).isoformat())
    just_after = quote((moment + timedelta(microseconds=1)).isoformat())
    assert (await api.get(f"/v1/orders?created_after={just_before}")).json()["data"] == [order]
    assert (await api.get(f"/v1/orders?created_before={just_after}")).json()["data"] == [order]
    assert (await api.get(f"/v1/orders?created_after={just_after}")).json()["data"] == []


async def test_a_page_has_25_items_or_what_the_limit_says(api: Api) -> None:
    orders = await _some_orders(api, 27)
    by_default = (await api.get("/v1/orders")).json()
    assert (by_default["data"], by_default["has_more"]) == (orders[:25], True)
    one = (await api.get("/v1/orders?limit=1")).json()
    assert (one["data"], one["has_more"]) == (orders[:1], True)
    most = (await api.get("/v1/orders?limit=100")).json()
    assert most == {"data": orders, "has_more": False, "next_cursor": None}


async def test_a_page_that_ends_with_the_last_item_has_no_next(api: Api) -> None:
    orders = await _some_orders(api, 4)
    page = (await api.get("/v1/orders?limit=4")).json()
    assert page == {"data": orders, "has_more": False, "next_cursor": None}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "", "x", "9223372036854775808", "+5"])
async def test_a_limit_out_of_bounds_is_refused(sqlite_api: Api, limit: str) -> None:
    answer = await sqlite_api.get(f"/v1/orders?limit={limit}")
    problem = assert_problem(answer, 422, "validation_failed")
    assert problem["errors"][0]["pointer"] == "/query/limit"


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_the_link_header_leads_through_all_pages(api: Api, limit: int) -> None:
    orders = await _some_orders(api, 7, customer_id="a/b ü")
    assert await api.walk(path_of_customer("a/b ü"), limit=limit) == orders
    assert await api.walk("/v1/orders?customer_id=" + quote("a/b ü"), limit=limit) == orders


async def test_the_next_cursor_and_the_link_header_lead_to_the_same_page(api: Api) -> None:
    await _some_orders(api, 5)
    page = await api.get("/v1/orders?limit=2")
    through_link = await api.get(page.links["next"]["url"])
    cursor = page.json()["next_cursor"]
    through_cursor = await api.get(f"/v1/orders?limit=2&cursor={cursor}")
    assert through_link.content == through_cursor.content


async def test_orders_that_arrive_do_not_move_the_pages(api: Api) -> None:
    orders = await _some_orders(api, 4)
    first = (await api.get("/v1/orders?limit=2")).json()
    await api.placed()
    second = (await api.get(f"/v1/orders?limit=2&cursor={first['next_cursor']}")).json()
    assert _ids(first["data"] + second["data"]) == _ids(orders)


async def test_another_limit_goes_on_from_the_same_place(api: Api) -> None:
    orders = await _some_orders(api, 5)
    cursor = (await api.get("/v1/orders?limit=1")).json()["next_cursor"]
    page = (await api.get(f"/v1/orders?limit=3&cursor={cursor}")).json()
    assert page["data"] == orders[1:4]


async def test_a_cursor_belongs_to_its_list_filters_and_merchant(api: Api, other: Api) -> None:
    await _some_orders(api, 2, customer_id="a")
    await _some_orders(other, 2, customer_id="a")
    cursor = (await api.get("/v1/orders?limit=1&customer_id=a")).json()["next_cursor"]
    for path in (
        "/v1/orders?limit=1",
        "/v1/orders?limit=1&customer_id=b",
        "/v1/orders?limit=1&customer_id=a&status=pending",
        "/v1/customers/a/orders?limit=1",
        "/v1/api-keys?limit=1",
    ):
        joint = f"{path}&cursor={cursor}"
        assert_problem(await api.get(joint), 400, "invalid_cursor")
    own = f"/v1/orders?limit=1&customer_id=a&cursor={cursor}"
    assert_problem(await other.get(own), 400, "invalid_cursor")
    assert (await api.get(own)).status_code == 200


async def test_a_cursor_that_was_tampered_with_is_refused(api: Api) -> None:
    await _some_orders(api, 2)
    cursor = (await api.get("/v1/orders?limit=1")).json()["next_cursor"]
    for place in range(0, len(cursor), 5):
        changed = "A" if cursor[place] != "A" else "B"
        tampered = cursor[:place] + changed + cursor[place + 1 :]
        answer = await api.get(f"/v1/orders?limit=1&cursor={tampered}")
        assert_problem(answer, 400, "invalid_cursor")


@pytest.mark.parametrize("cursor", ["", "x", "0", "%20", "é", "A" * 54, "A" * 600, "🐙" * 54])
async def test_what_is_no_cursor_is_refused(sqlite_api: Api, cursor: str) -> None:
    answer = await sqlite_api.get("/v1/orders?cursor=" + quote(cursor, safe="%"))
    assert_problem(answer, 400, "invalid_cursor")


async def test_api_keys_are_listed_page_by_page(api: Api) -> None:
    for _ in range(4):
        await api.issued(scopes=["orders:read"])
    keys = await api.walk("/v1/api-keys", limit=2)
    assert len({key["id"] for key in keys}) == 5
    assert [key["created_at"] for key in keys] == sorted(
        (key["created_at"] for key in keys), reverse=True
    )
