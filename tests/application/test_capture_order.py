"""Capturing what an authorized order holds."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.errors import IdempotencyKeyReused, OrderChanged, OrderNotFound
from application.once import Answer
from application.order_document import order_json
from application.ports.gateway import GatewayRequest
from domain.errors import DomainError
from domain.event import EventType
from domain.order import Order, OrderStatus
from domain.payment import Approved, OperationKind
from tests.application.conftest import World
from tests.examples import ids

pytestmark = pytest.mark.anyio


async def refusal_of(world: World, order: Order, amount: int | None = None, **how: Any) -> str:
    with pytest.raises(DomainError) as refusal:
        await world.capture(order, amount, **how)
    return refusal.value.code


async def test_all_that_is_held_is_captured(world: World) -> None:
    order = await world.authorized()
    answer = await world.capture(order)
    asked = await world.order(order.id)
    assert (answer.status, answer.replayed) == (202, False)
    assert answer.body.decode() == order_json(asked)
    assert answer.location == f"/v1/orders/{order.id}"
    assert (asked.status, asked.version) == (OrderStatus.PROCESSING, order.version + 1)
    await world.work()
    paid = await world.order(order.id)
    assert (paid.status, paid.captured) == (OrderStatus.PAID, order.request.amount)
    assert await world.done() == [("authorize", 1000), ("capture", 1000)]


@pytest.mark.parametrize("amount", [1, 400, 999])
async def test_a_part_is_captured_and_the_rest_is_released(world: World, amount: int) -> None:
    order = await world.authorized()
    await world.capture(order, amount)
    await world.work()
    paid = await world.order(order.id)
    assert (paid.status, paid.captured.amount_minor) == (OrderStatus.PAID, amount)
    assert await world.done() == [("authorize", 1000), ("capture", amount)]
    assert await refusal_of(world, order, 1, key="the rest") == "order_is_paid"


@pytest.mark.parametrize("amount", [0, 1001])
async def test_an_amount_that_is_not_held_leaves_the_order_and_the_key_alone(
    world: World, amount: int
) -> None:
    order = await world.authorized()
    assert await refusal_of(world, order, amount) == "capture_amount_invalid"
    assert await world.order(order.id) == order
    assert (await world.capture(order, 1000)).status == 202


async def test_only_an_authorized_order_can_be_captured(world: World) -> None:
    pending = await world.place("pending")
    assert await refusal_of(world, pending) == "order_is_pending"
    canceled = await world.place("canceled")
    await world.cancel(canceled)
    assert await refusal_of(world, canceled) == "order_is_canceled"
    failed = await world.place("failed", payment_method="sim_decline")
    await world.worker().claim(10)
    assert await refusal_of(world, failed) == "order_is_processing"
    await world.work_after(timedelta(minutes=1))
    assert await refusal_of(world, failed) == "order_is_failed"
    assert await refusal_of(world, pending) == "order_is_paid"


async def test_the_order_must_be_at_one_of_the_versions_that_are_named(world: World) -> None:
    order = await world.authorized()
    versions = frozenset({order.version - 1, order.version + 1})
    with pytest.raises(OrderChanged):
        await world.capture(order, versions=versions)
    assert await world.order(order.id) == order
    answer = await world.capture(order, versions=versions | {order.version})
    assert answer.status == 202


async def test_a_repeat_is_answered_though_the_version_has_gone(world: World) -> None:
    order = await world.authorized()
    first = await world.capture(order, versions=frozenset({order.version}))
    again = await world.capture(order, versions=frozenset({order.version}))
    assert again == replace(first, replayed=True)


async def test_an_order_that_is_not_there_or_another_merchants_is_not_found(world: World) -> None:
    order = await world.authorized()
    stranger = replace(world, merchant_id=ids.new())
    for asking, wanted in ((world, replace(order, id=ids.new())), (stranger, order)):
        with pytest.raises(OrderNotFound):
            await asking.capture(wanted)
    assert await world.order(order.id) == order


async def test_the_same_key_replays_the_same_bytes_whatever_became_of_the_order(
    world: World,
) -> None:
    order = await world.authorized()
    first = await world.capture(order, 400)
    assert await world.capture(order, 400) == replace(first, replayed=True)
    await world.work()
    world.clock.advance(timedelta(days=1))
    assert await world.capture(order, 400) == replace(first, replayed=True)
    assert json.loads(first.body)["status"] == "processing"
    assert await world.done() == [("authorize", 1000), ("capture", 400)]


async def test_the_same_key_with_another_amount_or_on_another_route_is_refused(
    world: World,
) -> None:
    order, other = await world.authorized("one"), await world.authorized("other")
    await world.capture(order, 400)
    with pytest.raises(IdempotencyKeyReused) as refusal:
        await world.capture(order, 401)
    assert refusal.value.differing == ("amount_cents",)
    for reuse in (world.cancel(order, key="a capture"), world.capture(other, 400)):
        with pytest.raises(IdempotencyKeyReused) as refusal:
            await reuse
        assert refusal.value.differing == ()
    assert await world.order(other.id) == other


async def test_of_many_captures_at_once_one_is_accepted(world: World) -> None:
    order = await world.authorized()
    answers = await asyncio.gather(
        *(world.capture(order, key=f"capture {number}") for number in range(20)),
        return_exceptions=True,
    )
    assert len([each for each in answers if isinstance(each, Answer)]) == 1
    refusals = [each for each in answers if isinstance(each, DomainError)]
    assert {each.code for each in refusals} == {"order_is_processing"}
    assert len(refusals) == 19
    await world.work()
    assert await world.done() == [("authorize", 1000), ("capture", 1000)]


async def test_a_capture_that_the_gateway_declines_can_be_asked_for_again(world: World) -> None:
    order = await world.authorized()
    await let_go_behind_our_back(world, order)
    await world.capture(order)
    await world.work()
    history = await world.told(order)
    assert history.order.status is OrderStatus.AUTHORIZED
    failure = history.operations[-1].operation.failure
    assert failure is not None
    assert failure.code == "not_capturable"
    assert (await world.capture(order, key="another capture")).status == 202


async def test_a_repeat_of_a_capture_that_was_declined_is_replayed_and_captures_nothing(
    world: World,
) -> None:
    order = await world.authorized()
    await let_go_behind_our_back(world, order)
    first = await world.capture(order)
    await world.work()
    authorized = await world.order(order.id)
    assert authorized.status is OrderStatus.AUTHORIZED
    assert await world.capture(order) == replace(first, replayed=True)
    assert await world.order(order.id) == authorized


async def test_the_key_of_a_capture_that_was_declined_is_used_for_ever(world: World) -> None:
    order = await world.authorized()
    await let_go_behind_our_back(world, order)
    await world.capture(order)
    await world.work()
    with pytest.raises(IdempotencyKeyReused):
        await world.capture(order, 400)


async def let_go_behind_our_back(world: World, order: Order) -> None:
    request = GatewayRequest(
        key="a person",
        reference="a person",
        kind=OperationKind.VOID,
        amount=order.request.amount,
        payment_method=None,
        payment_id=order.payment_id,
        asked_at=world.clock.now(),
    )
    assert isinstance(await world.gateway.execute(request), Approved)


async def test_a_capture_that_comes_too_late_fails_the_order_and_says_why(world: World) -> None:
    order = await world.authorized()
    world.clock.advance(timedelta(days=7))
    await world.capture(order)
    await world.work()
    await world.work_after(timedelta(hours=2))
    history = await world.told(order)
    assert history.order.status is OrderStatus.FAILED
    assert history.order.failure is not None
    assert history.order.failure.code == "authorization_expired"
    assert history.events[-1].type is EventType.ORDER_FAILED
    assert await world.done() == [("authorize", 1000)]
    # Nobody watches what has lapsed.
    assert await world.work_after(timedelta(days=30)) == 0
    assert await world.order(order.id) == history.order


async def test_an_authorization_that_lapses_unasked_fails_the_order_and_says_why(
    world: World,
) -> None:
    order = await world.authorized()
    assert await world.work_after(timedelta(days=7) - timedelta(microseconds=1)) == 0
    assert await world.work_after(timedelta(microseconds=1)) == 1
    failed = await world.order(order.id)
    assert failed.status is OrderStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.code == "authorization_expired"
    assert await refusal_of(world, order) == "order_is_failed"
    assert await world.work_after(timedelta(days=30)) == 0
