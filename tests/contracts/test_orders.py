"""What `application/ports/orders.py` promises, over both databases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from adapters.sql.database import Database
from adapters.sql.orders import SqlOrders
from adapters.sql.rows import order_to_row
from adapters.sql.tables import orders as orders_table
from application.order_document import order_json
from application.pages import Position
from application.ports.orders import ListedOrder, OrderFilter, Orders
from domain.order import Order, OrderStatus
from tests.examples import a_placement, a_request, ids
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def orders(database: Database) -> Orders:
    return SqlOrders(database)


async def save(database: Database, saved: Sequence[Order]) -> None:
    async with database.transaction() as connection:
        if saved:
            await connection.execute(insert(orders_table), [order_to_row(order) for order in saved])


def an_order(merchant_id: UUID, created_at: datetime = NOW, **request: Any) -> Order:
    return a_placement(
        merchant_id, str(ids.new()), now=created_at, request=a_request(**request)
    ).order


def listed(order: Order) -> ListedOrder:
    return ListedOrder(order.id, order.created_at, order_json(order))


def newest_first(found: Sequence[Order]) -> list[ListedOrder]:
    by_age = sorted(found, key=lambda order: (order.created_at, order.id), reverse=True)
    return [listed(order) for order in by_age]


async def walk(orders: Orders, which: OrderFilter, limit: int) -> list[ListedOrder]:
    found: list[ListedOrder] = []
    after: Position | None = None
    while True:
        page = await orders.page(which, after, limit)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == limit
        assert page.next == Position(page.items[-1].created_at, page.items[-1].id)
        after = page.next


async def test_an_own_order_is_there_as_it_was_saved(database: Database, orders: Orders) -> None:
    merchant = ids.new()
    saved = [an_order(merchant) for _ in range(3)]
    await save(database, saved)
    for order in saved:
        assert await orders.get(merchant, order.id) == order


async def test_an_unknown_id_and_another_merchants_cannot_be_told_apart(
    database: Database, orders: Orders
) -> None:
    merchant, stranger = ids.new(), ids.new()
    order = an_order(merchant)
    await save(database, [order, an_order(stranger)])
    assert await orders.get(merchant, ids.new()) is None
    assert await orders.get(stranger, order.id) is None


async def test_a_merchant_without_orders_has_one_empty_page(orders: Orders) -> None:
    page = await orders.page(OrderFilter(merchant_id=ids.new()), None, 25)
    assert (page.items, page.next) == ((), None)


async def test_a_page_that_holds_all_is_the_last(database: Database, orders: Orders) -> None:
    merchant = ids.new()
    await save(database, [an_order(merchant) for _ in range(3)])
    which = OrderFilter(merchant_id=merchant)
    assert (await orders.page(which, None, 3)).next is None
    assert (await orders.page(which, None, 2)).next is not None


async def test_a_list_never_shows_another_merchants_orders(
    database: Database, orders: Orders
) -> None:
    merchant, stranger = ids.new(), ids.new()
    own = [an_order(merchant) for _ in range(4)]
    await save(database, [*own, *(an_order(stranger) for _ in range(4))])
    assert await walk(orders, OrderFilter(merchant_id=merchant), 3) == newest_first(own)


FILTERS: list[dict[str, Any]] = [
    {},
    {"status": OrderStatus.PAID},
    {"customer_id": "one"},
    {"invoice_id": "I-1"},
    {"created_after": NOW},
    {"created_before": NOW + 2 * MICROSECOND},
    {"created_after": NOW, "created_before": NOW + 2 * MICROSECOND},
    {"status": OrderStatus.PENDING, "customer_id": "other", "invoice_id": "I-1"},
    {"customer_id": "nobody"},
    {
        "status": OrderStatus.PENDING,
        "customer_id": "one",
        "invoice_id": "I-1",
        "created_after": NOW - MICROSECOND,
        "created_before": NOW + 3 * MICROSECOND,
    },
]


def matches(order: Order, wanted: dict[str, Any]) -> bool:
    """The filters, said in another way."""
    found = {
        "status": order.status,
        "customer_id": order.request.customer_id,
        "invoice_id": order.request.invoice_id,
    }
    return (
        all(found[name] == value for name, value in wanted.items() if name in found)
        and not ("created_after" in wanted and order.created_at <= wanted["created_after"])
        and not ("created_before" in wanted and order.created_at >= wanted["created_before"])
    )


async def test_every_filter_shows_exactly_what_it_says(database: Database, orders: Orders) -> None:
    merchant = ids.new()
    saved = [
        replace(
            an_order(
                merchant, NOW + moment * MICROSECOND, customer_id=customer, invoice_id=invoice
            ),
            status=status,
        )
        for moment in range(4)
        for customer in ("one", "other")
        for invoice in (None, "I-1")
        for status in (OrderStatus.PENDING, OrderStatus.PAID)
    ]
    await save(database, saved)
    for wanted in FILTERS:
        meant = newest_first([order for order in saved if matches(order, wanted)])
        which = OrderFilter(merchant_id=merchant, **wanted)
        assert await walk(orders, which, 3) == meant, wanted
        assert await walk(orders, which, 100) == meant, wanted


# Few moments and few customers, so that there are many ties.
seeds = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["one", "other"]),
        st.sampled_from([None, "I-1"]),
        st.sampled_from(OrderStatus),
    ),
    max_size=25,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seeds, st.integers(1, 8), st.sampled_from(FILTERS))
async def test_walking_page_by_page_is_the_whole_list(
    database: Database, orders: Orders, seed: list[Any], limit: int, wanted: dict[str, Any]
) -> None:
    merchant = ids.new()
    saved = [
        replace(
            an_order(
                merchant, NOW + moment * MICROSECOND, customer_id=customer, invoice_id=invoice
            ),
            status=status,
        )
        for moment, customer, invoice, status in seed
    ]
    await save(database, saved)
    found = await walk(orders, OrderFilter(merchant_id=merchant, **wanted), limit)
    assert found == newest_first([order for order in saved if matches(order, wanted)])


async def test_orders_that_arrive_during_a_walk_neither_repeat_nor_hide_others(
    database: Database, orders: Orders
) -> None:
    merchant = ids.new()
    before = [an_order(merchant, NOW + (number // 3) * MICROSECOND) for number in range(12)]
    await save(database, before)
    which, after, found = OrderFilter(merchant_id=merchant), None, list[ListedOrder]()
    while True:
        page = await orders.page(which, after, 2)
        found += page.items
        if page.next is None:
            break
        after = page.next
        # One that is newer than all, and one of the very moment at which the page ended; its id,
        # made later, is greater.
        newer = [an_order(merchant, NOW + timedelta(hours=1)), an_order(merchant, after.created_at)]
        await save(database, newer)
    assert found == newest_first(before)


async def test_a_position_above_the_period_does_not_widen_it(
    database: Database, orders: Orders
) -> None:
    merchant = ids.new()
    saved = [an_order(merchant, NOW + number * MICROSECOND) for number in range(4)]
    await save(database, saved)
    which = OrderFilter(merchant_id=merchant, created_before=NOW + 2 * MICROSECOND)
    for above in (saved[2], saved[3]):
        page = await orders.page(which, Position(above.created_at, above.id), 10)
        assert page.items == (listed(saved[1]), listed(saved[0]))


async def test_a_page_after_a_position_that_no_order_has_goes_on_below_it(
    database: Database, orders: Orders
) -> None:
    merchant = ids.new()
    saved = [an_order(merchant, NOW + number * MICROSECOND) for number in range(3)]
    await save(database, saved)
    page = await orders.page(
        OrderFilter(merchant_id=merchant), Position(NOW + MICROSECOND, UUID(int=0)), 10
    )
    assert page.items == (listed(saved[0]),)
