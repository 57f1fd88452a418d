"""An order's whole life, as an operator sees it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from application.errors import OrderNotFound
from application.show_order import ShowOrder
from domain.event import EventType
from domain.payment import OperationKind
from tests.application.conftest import World
from tests.examples import ids

pytestmark = pytest.mark.anyio


async def test_all_that_happened_is_told_in_the_order_in_which_it_did(world: World) -> None:
    order = await world.authorized()
    world.clock.advance(timedelta(hours=1))
    await world.capture(order, 700)
    await world.work()
    await world.refund(order, 200)
    await world.work()
    history = await ShowOrder(history=world.history)(order.id)
    assert history.order == await world.order(order.id)
    assert [event.type for event in history.events] == [
        EventType.ORDER_CREATED,
        EventType.ORDER_PROCESSING,
        EventType.ORDER_AUTHORIZED,
        EventType.ORDER_PROCESSING,
        EventType.ORDER_PAID,
        EventType.REFUND_CREATED,
        EventType.ORDER_REFUNDED,
        EventType.REFUND_SUCCEEDED,
    ]
    assert [event.order_version for event in history.events] == list(range(1, 9))
    assert [each.operation.kind for each in history.operations] == [
        OperationKind.AUTHORIZE,
        OperationKind.CAPTURE,
        OperationKind.REFUND,
    ]
    assert [len(each.attempts) for each in history.operations] == [1, 1, 1]


async def test_an_operator_sees_every_merchants_orders(world: World) -> None:
    stranger = replace(world, merchant_id=ids.new())
    order = await stranger.place()
    assert (await ShowOrder(history=world.history)(order.id)).order == order


async def test_an_order_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(OrderNotFound):
        await ShowOrder(history=world.history)(ids.new())
