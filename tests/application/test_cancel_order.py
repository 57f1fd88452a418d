"""Canceling an order that nothing was taken for."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from application.errors import OrderChanged, OrderNotFound
from application.order_document import order_json
from domain.errors import DomainError
from domain.event import EventType
from domain.order import Order, OrderStatus
from domain.payment import OperationState
from tests.application.conftest import A_WHILE, World
from tests.examples import ids

pytestmark = pytest.mark.anyio


async def refusal_of(world: World, order: Order) -> str:
    with pytest.raises(DomainError) as refusal:
        await world.cancel(order)
    return refusal.value.code


async def test_a_pending_order_is_canceled_at_once_and_the_gateway_never_hears_of_it(
    world: World,
) -> None:
    order = await world.place()
    answer = await world.cancel(order)
    canceled = await world.order(order.id)
    assert (answer.status, answer.body.decode()) == (200, order_json(canceled))
    assert (canceled.status, canceled.version) == (OrderStatus.CANCELED, 2)
    assert await world.work() == 0
    history = await world.told(order)
    (tried,) = history.operations
    assert (tried.operation.state, tried.attempts) == (OperationState.WITHDRAWN, ())
    assert history.order == canceled
    assert await world.work_after(timedelta(days=30)) == 0
    assert await world.done() == []


async def test_an_authorized_order_is_canceled_when_the_gateway_has_let_go(world: World) -> None:
    order = await world.authorized()
    answer = await world.cancel(order)
    assert answer.status == 202
    assert (await world.order(order.id)).status is OrderStatus.PROCESSING
    await world.work()
    history = await world.told(order)
    assert history.order.status is OrderStatus.CANCELED
    assert [event.type for event in history.events][-2:] == [
        EventType.ORDER_PROCESSING,
        EventType.ORDER_CANCELED,
    ]
    assert await world.done() == [("authorize", 1000), ("void", 1000)]
    assert await world.work_after(timedelta(days=30)) == 0


async def test_an_authorization_that_lapsed_before_it_was_let_go_is_canceled_too(
    world: World,
) -> None:
    order = await world.authorized()
    world.clock.advance(timedelta(days=7))
    await world.cancel(order)
    await world.work()
    canceled = await world.order(order.id)
    assert (canceled.status, canceled.failure) == (OrderStatus.CANCELED, None)
    assert await world.done() == [("authorize", 1000)]


async def test_what_the_gateway_is_being_asked_for_and_what_has_ended_cannot_be_canceled(
    world: World,
) -> None:
    paid, failed = await world.place("one"), await world.place("two", payment_method="sim_decline")
    await world.worker().claim(10)
    assert await refusal_of(world, paid) == "order_is_processing"
    await world.work_after(A_WHILE)
    assert await refusal_of(world, paid) == "order_is_paid"
    assert await refusal_of(world, failed) == "order_is_failed"
    await world.refund(paid, 400)
    await world.work()
    assert await refusal_of(world, paid) == "order_is_partially_refunded"
    canceled = await world.place("three")
    await world.cancel(canceled, key="a cancel of another")
    assert await refusal_of(world, canceled) == "order_is_canceled"


async def test_the_order_must_be_at_one_of_the_versions_that_are_named(world: World) -> None:
    order = await world.place()
    with pytest.raises(OrderChanged):
        await world.cancel(order, versions=frozenset({2}))
    with pytest.raises(OrderChanged):
        await world.cancel(order, versions=frozenset())
    assert (await world.cancel(order, versions=frozenset({1, 2}))).status == 200


async def test_an_order_that_is_not_there_or_another_merchants_is_not_found(world: World) -> None:
    order = await world.place()
    stranger = replace(world, merchant_id=ids.new())
    for asking, wanted in ((world, replace(order, id=ids.new())), (stranger, order)):
        with pytest.raises(OrderNotFound):
            await asking.cancel(wanted)
    assert await world.order(order.id) == order


@pytest.mark.parametrize("manual", [False, True])
async def test_the_same_key_replays_the_same_bytes_and_status(world: World, manual: bool) -> None:
    order = await (world.authorized() if manual else world.place())
    first = await world.cancel(order)
    assert first.status == (202 if manual else 200)
    await world.work()
    for _ in range(3):
        world.clock.advance(timedelta(days=7))
        assert await world.cancel(order) == replace(first, replayed=True)
    assert (await world.told(order)).order.status is OrderStatus.CANCELED


async def test_a_cancel_and_a_claim_at_the_same_time_agree_on_who_was_first(world: World) -> None:
    orders = [await world.place(f"order {number}") for number in range(20)]
    worker = world.worker()
    canceling = [
        asyncio.create_task(world.cancel(order, key=f"cancel {number}"))
        for number, order in enumerate(orders[:10])
    ]
    claimed = list(await worker.claim(100))
    canceling += [
        asyncio.create_task(world.cancel(order, key=f"late cancel {number}"))
        for number, order in enumerate(orders[10:])
    ]
    answers = await asyncio.gather(*canceling, return_exceptions=True)
    sent = {each.work.order.id for each in claimed}
    for each in claimed:
        await worker.carry_out(each)
    for order, answer in zip(orders, answers, strict=True):
        history = await world.told(order)
        is_paid = history.order.status is OrderStatus.PAID
        assert is_paid is (order.id in sent)
        assert is_paid is isinstance(answer, DomainError)
        assert is_paid or history.order.status is OrderStatus.CANCELED
    assert len(await world.effects()) == len(sent)
