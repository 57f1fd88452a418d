"""Giving money back."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.orders import SqlOrders
from adapters.sql.payment_history import SqlPaymentHistory
from adapters.system import SystemClock
from adapters.vault import AesGcmVault
from application.change_order import ChangeOrder, WhichOrder
from application.errors import IdempotencyKeyReused, OrderChanged, OrderNotFound
from application.once import Answer, Claim, Once
from application.ports.faults import StorageUnavailable
from application.ports.gateway import GatewayRequest
from application.refund_order import RefundOrder, RefundOrderCommand
from domain.errors import DomainError
from domain.event import EventType
from domain.money import Money
from domain.order import Order, OrderStatus
from domain.payment import Approved, OperationKind, OperationState
from tests.application.conftest import A_WHILE, SECRET, World
from tests.application.scripted_gateway import ScriptedGateway
from tests.databases import closing
from tests.examples import a_placement, a_record, a_request, ids

pytestmark = pytest.mark.anyio


async def refusal_of(world: World, order: Order, amount: int | None, key: str = "a refund") -> str:
    with pytest.raises(DomainError) as refusal:
        await world.refund(order, amount, key=key)
    return refusal.value.code


async def books(world: World, order: Order) -> tuple[OrderStatus, int, int]:
    """The order's status, what went back and what is reserved."""
    found = await world.order(order.id)
    return found.status, found.refunded.amount_minor, found.refunding.amount_minor


async def test_all_that_was_paid_is_given_back(world: World) -> None:
    order = await world.paid()
    answer = await world.refund(order, reason="wrong size")
    refund = json.loads(answer.body)
    assert (answer.status, answer.replayed) == (201, False)
    assert answer.location == f"/v1/refunds/{refund['id']}"
    assert refund == {
        "id": refund["id"],
        "order_id": str(order.id),
        "amount_cents": 1000,
        "status": "pending",
        "reason": "wrong size",
        "created_at": "2026-11-21T02:17:39.000120Z",
    }
    assert await books(world, order) == (OrderStatus.PAID, 0, 1000)
    await world.work()
    assert await books(world, order) == (OrderStatus.REFUNDED, 1000, 0)
    assert await world.done() == [("charge", 1000), ("refund", 1000)]


async def test_parts_are_given_back_as_often_as_there_is_some_left(world: World) -> None:
    order = await world.paid()
    await world.refund(order, 300, key="one")
    await world.refund(order, 300, key="two")
    assert await refusal_of(world, order, 401, "three") == "refund_amount_invalid"
    await world.work()
    assert await books(world, order) == (OrderStatus.PARTIALLY_REFUNDED, 600, 0)
    assert json.loads((await world.refund(order, key="the rest")).body)["amount_cents"] == 400
    assert await refusal_of(world, order, None, "four") == "refund_amount_invalid"
    await world.work()
    assert await books(world, order) == (OrderStatus.REFUNDED, 1000, 0)
    assert await refusal_of(world, order, 1, "five") == "order_is_refunded"
    told = [event.type for event in (await world.told(order)).events]
    assert told[3:] == [
        *(EventType.REFUND_CREATED, EventType.REFUND_CREATED),
        *(EventType.ORDER_REFUNDED, EventType.REFUND_SUCCEEDED) * 2,
        EventType.REFUND_CREATED,
        *(EventType.ORDER_REFUNDED, EventType.REFUND_SUCCEEDED),
    ]


async def test_no_more_goes_back_than_was_captured(world: World) -> None:
    order = await world.authorized()
    await world.capture(order, 400)
    await world.work()
    assert await refusal_of(world, order, 401) == "refund_amount_invalid"
    await world.refund(order)
    await world.work()
    assert await books(world, order) == (OrderStatus.REFUNDED, 400, 0)


@pytest.mark.parametrize("amount", [0, 1001])
async def test_an_amount_that_is_not_there_leaves_the_order_and_the_key_alone(
    world: World, amount: int
) -> None:
    order = await world.paid()
    assert await refusal_of(world, order, amount) == "refund_amount_invalid"
    assert await world.order(order.id) == order
    assert (await world.refund(order, 1000)).status == 201


async def test_only_what_was_paid_can_be_given_back(world: World) -> None:
    order = await world.place()
    assert await refusal_of(world, order, None) == "order_is_pending"
    await world.worker().claim(10)
    assert await refusal_of(world, order, None) == "order_is_processing"
    authorized = await world.authorized("authorized")
    assert await refusal_of(world, authorized, None) == "order_is_authorized"
    await world.cancel(authorized)
    await world.work()
    assert await refusal_of(world, authorized, None) == "order_is_canceled"


async def test_the_order_must_be_at_one_of_the_versions_that_are_named(world: World) -> None:
    order = await world.paid()
    with pytest.raises(OrderChanged):
        await world.refund(order, versions=frozenset({order.version - 1}))
    first = await world.refund(order, 100, versions=frozenset({order.version}))
    with pytest.raises(OrderChanged):
        await world.refund(order, 100, key="another", versions=frozenset({order.version}))
    again = await world.refund(order, 100, versions=frozenset({order.version}))
    assert again == replace(first, replayed=True)


async def test_an_order_that_is_not_there_or_another_merchants_is_not_found(world: World) -> None:
    order = await world.paid()
    stranger = replace(world, merchant_id=ids.new())
    for asking, wanted in ((world, replace(order, id=ids.new())), (stranger, order)):
        with pytest.raises(OrderNotFound):
            await asking.refund(wanted)
    assert await world.order(order.id) == order


async def test_the_same_key_replays_the_same_bytes_and_reserves_nothing_more(
    world: World,
) -> None:
    order = await world.paid()
    first = await world.refund(order, 300)
    assert await world.refund(order, 300) == replace(first, replayed=True)
    assert await books(world, order) == (OrderStatus.PAID, 0, 300)
    await world.work()
    world.clock.advance(timedelta(days=1))
    assert await world.refund(order, 300) == replace(first, replayed=True)
    assert await books(world, order) == (OrderStatus.PARTIALLY_REFUNDED, 300, 0)


async def test_the_same_key_with_another_body_is_refused_by_the_names_that_differ(
    world: World,
) -> None:
    order = await world.paid()
    await world.refund(order, 300, reason="broken")
    with pytest.raises(IdempotencyKeyReused) as refusal:
        await world.refund(order, 301, reason="late")
    assert refusal.value.differing == ("amount_cents", "reason")
    with pytest.raises(IdempotencyKeyReused):
        await world.refund(order)
    assert await books(world, order) == (OrderStatus.PAID, 0, 300)


async def test_many_with_one_key_at_once_are_one_refund(world: World) -> None:
    order = await world.paid()
    answers = await asyncio.gather(*(world.refund(order, 100) for _ in range(20)))
    assert len({answer.body for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert await books(world, order) == (OrderStatus.PAID, 0, 100)


async def test_what_was_reserved_is_free_again_when_the_gateway_declines(world: World) -> None:
    order = await world.paid()
    await give_back_behind_our_back(world, order, 900)
    answer = await world.refund(order, 300)
    assert await refusal_of(world, order, 800, "more") == "refund_amount_invalid"
    await world.work()
    assert await books(world, order) == (OrderStatus.PAID, 0, 0)
    history = await world.told(order)
    refund = history.operations[-1].operation
    assert f"/v1/refunds/{refund.id}" == answer.location
    assert refund.state is OperationState.FAILED
    assert refund.failure is not None
    assert refund.failure.code == "refund_too_large"
    assert history.events[-1].type is EventType.REFUND_FAILED
    await world.refund(order, 100, key="what is left there")
    await world.work()
    assert await books(world, order) == (OrderStatus.PARTIALLY_REFUNDED, 100, 0)


async def give_back_behind_our_back(world: World, order: Order, amount: int) -> None:
    request = GatewayRequest(
        key="a person",
        reference="a person",
        kind=OperationKind.REFUND,
        amount=Money(amount_minor=amount, currency="EUR"),
        payment_method=None,
        payment_id=order.payment_id,
        asked_at=world.clock.now(),
    )
    assert isinstance(await world.gateway.execute(request), Approved)


async def test_what_is_reserved_stays_so_while_the_outcome_is_unknown(world: World) -> None:
    order = await world.paid()
    await world.refund(order, 700)
    for _ in range(3):
        # Claimed by workers that die.
        assert len(await world.worker().claim(10)) == 1
        world.clock.advance(A_WHILE)
    assert await refusal_of(world, order, 400, "more") == "refund_amount_invalid"
    assert await books(world, order) == (OrderStatus.PAID, 0, 700)
    await world.work()
    assert await books(world, order) == (OrderStatus.PARTIALLY_REFUNDED, 700, 0)


# Races.


async def test_of_50_refunds_of_30_percent_at_once_exactly_three_are_accepted(
    world: World,
) -> None:
    order = await world.paid()
    refund_order = RefundOrder(change_order=world.change_order)

    async def refund(number: int) -> Answer:
        command = RefundOrderCommand(
            claim=world.claim(f"refund {number}", route="POST .../refunds", amount_cents=300),
            which=WhichOrder(id=order.id),
            amount_minor=300,
            reason=None,
        )
        return await refund_order(command)

    answers = await asyncio.gather(*map(refund, range(50)), return_exceptions=True)
    assert len([each for each in answers if isinstance(each, Answer)]) == 3
    refusals = [each for each in answers if isinstance(each, DomainError)]
    assert [each.code for each in refusals] == ["refund_amount_invalid"] * 47
    assert await books(world, order) == (OrderStatus.PAID, 0, 900)
    await asyncio.gather(*map(world.worker().carry_out, await world.worker().claim(100)))
    assert await books(world, order) == (OrderStatus.PARTIALLY_REFUNDED, 900, 0)
    assert await world.done() == [("charge", 1000), *[("refund", 300)] * 3]


async def test_of_50_refunds_of_30_percent_through_many_processes_exactly_three_are_accepted(
    database: Database, database_url: str
) -> None:
    """Each with turns of its own; who was in the way five times is told to come again, and does."""
    order = await a_paid_order(database)
    async with closing(Database(database_url)) as other:
        processes = [ways_to_refund((database, other)[number % 2]) for number in range(10)]

        async def refund(number: int) -> Answer | DomainError:
            claim = Claim(
                merchant_id=order.merchant_id,
                key=f"refund {number}",
                route="POST .../refunds",
                body={"amount_cents": 300},
            )
            which = WhichOrder(id=order.id)
            command = RefundOrderCommand(claim=claim, which=which, amount_minor=300, reason=None)
            while True:
                try:
                    return await processes[number % 10](command)
                except StorageUnavailable:
                    continue
                except DomainError as refusal:
                    return refusal

        answers = await asyncio.gather(*map(refund, range(50)))
    accepted = [each for each in answers if isinstance(each, Answer)]
    assert len(accepted) == 3
    history = await SqlPaymentHistory(database).of_order(order.id)
    assert history is not None
    assert history.order.refunding.amount_minor == 900
    assert {f"/v1/refunds/{each.id}" for each in history.operations[1:]} == {
        each.location for each in accepted
    }
    assert [event.order_version for event in history.events][-3:] == [4, 5, 6]


async def a_paid_order(database: Database) -> Order:
    placed = a_placement(
        ids.new(), request=a_request(amount=Money(amount_minor=1000, currency="EUR"))
    )
    store = SqlIdempotencyStore(database, SystemClock())
    await store.record(a_record(placed.order.merchant_id, change=placed))
    processing = placed.order.start_processing(event_id=ids.new(), now=placed.order.created_at)
    paid = processing.order.pay(
        placed.order.request.amount, "pay", event_id=ids.new(), now=placed.order.created_at
    )
    for number, change in enumerate((processing, paid)):
        await store.record(a_record(placed.order.merchant_id, f"{number}", change=change))
    return paid.order


def ways_to_refund(database: Database) -> RefundOrder:
    clock = SystemClock()
    answers = SqlIdempotencyStore(database, clock)
    once = Once(answers=answers, vault=AesGcmVault(SECRET), clock=clock)
    return RefundOrder(
        change_order=ChangeOrder(
            once=once,
            orders=SqlOrders(database),
            gateway=ScriptedGateway(clock),
            ids=ids,
        )
    )
