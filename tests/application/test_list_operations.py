"""Listing what the gateway was asked for an order."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from application.errors import OrderNotFound
from application.list_operations import ListOperations
from application.operation_document import operation_json
from application.pages import Position
from domain.order import Order
from domain.payment import OperationKind
from tests.application.conftest import World
from tests.examples import ids

pytestmark = pytest.mark.anyio


def list_operations(world: World) -> ListOperations:
    return ListOperations(orders=world.orders, history=world.history)


async def kinds(world: World, order: Order, kind: OperationKind | None = None) -> list[str]:
    page = await list_operations(world)(
        world.merchant_id, order.id, kind=kind, after=None, limit=100
    )
    assert page.next is None
    return [each.operation.kind for each in page.items]


async def captured_and_refunded(world: World) -> Order:
    order = await world.authorized()
    world.clock.advance(timedelta(seconds=1))
    await world.capture(order)
    await world.work()
    for number in range(2):
        world.clock.advance(timedelta(seconds=1))
        await world.refund(order, 100, key=f"refund {number}")
    await world.work()
    return await world.order(order.id)


async def test_the_newest_comes_first_and_of_one_kind_where_one_is_named(world: World) -> None:
    order = await captured_and_refunded(world)
    assert await kinds(world, order) == ["refund", "refund", "capture", "authorize"]
    assert await kinds(world, order, OperationKind.REFUND) == ["refund", "refund"]
    assert await kinds(world, order, OperationKind.CAPTURE) == ["capture"]
    assert await kinds(world, order, OperationKind.VOID) == []


async def test_a_list_goes_on_where_its_page_ended(world: World) -> None:
    order = await captured_and_refunded(world)
    found: list[str] = []
    after: Position | None = None
    for _ in range(4):
        page = await list_operations(world)(world.merchant_id, order.id, after=after, limit=1)
        found += [each.operation.kind for each in page.items]
        after = page.next
    assert after is None
    assert found == ["refund", "refund", "capture", "authorize"]


async def test_each_shows_its_attempts_and_nothing_internal(world: World) -> None:
    order = await world.place(payment_method="sim_error")
    await world.work()
    await world.work_after(timedelta(seconds=5))
    page = await list_operations(world)(world.merchant_id, order.id, after=None, limit=10)
    (tried,) = page.items
    document = json.loads(operation_json(tried.operation, tried.attempts))
    assert document == {
        "id": str(tried.id),
        "order_id": str(order.id),
        "kind": "charge",
        "amount_cents": 1000,
        "currency": "EUR",
        "status": "unknown",
        "failure": None,
        "attempt_count": 2,
        "attempts": [
            {
                "number": number,
                "outcome": "unknown",
                "code": "gateway_error",
                "started_at": moment,
                "ended_at": moment,
            }
            for number, moment in (
                (1, "2026-11-21T02:17:39.000120Z"),
                (2, "2026-11-21T02:17:44.000120Z"),
            )
        ],
        "created_at": "2026-11-21T02:17:39.000120Z",
        "updated_at": "2026-11-21T02:17:44.000120Z",
    }


async def test_that_an_authorization_is_watched_is_nobodys_business(world: World) -> None:
    order = await world.authorized()
    page = await list_operations(world)(world.merchant_id, order.id, after=None, limit=10)
    (tried,) = page.items
    assert json.loads(operation_json(tried.operation, ()))["status"] == "succeeded"


async def test_an_order_that_is_not_there_or_another_merchants_is_not_found(world: World) -> None:
    order = await world.paid()
    stranger = replace(world, merchant_id=ids.new())
    for asking, order_id in ((world, ids.new()), (stranger, order.id)):
        with pytest.raises(OrderNotFound):
            await list_operations(asking)(asking.merchant_id, order_id, after=None, limit=10)
