"""A person says what became of an operation that the worker will never resolve alone."""

import asyncio
import logging
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import update

from adapters.sql.tables import payment_operations
from application.errors import OperationNotSettled
from application.json_text import rfc3339
from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from application.ports.payment_operations import Decide, PaymentOperations, Result, Work
from application.run_payment_operations import WorkTimes
from application.settle_operation import SettleOperation, SettleOperationCommand
from domain.event import EventType
from domain.order import Order, OrderStatus
from domain.payment import OperationKind, OperationState, PaymentOperation
from tests.application.conftest import Passing, World
from tests.examples import ids
from tests.fakes import FakeClock

pytestmark = pytest.mark.anyio

SECOND: Final = timedelta(seconds=1)
HOUR: Final = timedelta(hours=1)
LEASE: Final = timedelta(seconds=30)
PAYMENT: Final = "pay_by_hand"


def use_case(
    world: World, *, operations: PaymentOperations | None = None, clock: Clock | None = None
) -> SettleOperation:
    return SettleOperation(
        operations=operations or world.operations,
        history=world.history,
        gateway=world.gateway,
        ids=world.ids,
        clock=clock or world.clock,
        times=WorkTimes(lease=LEASE),
    )


def approved(operation: PaymentOperation, payment_id: str | None = None) -> SettleOperationCommand:
    return SettleOperationCommand(operation_id=operation.id, approved=True, payment_id=payment_id)


def declined(operation: PaymentOperation, payment_id: str | None = None) -> SettleOperationCommand:
    return SettleOperationCommand(operation_id=operation.id, approved=False, payment_id=payment_id)


async def asked_for(world: World, kind: OperationKind) -> Order:
    """An order with an operation of this kind that is due."""
    if kind in (OperationKind.CHARGE, OperationKind.AUTHORIZE):
        return await world.place(manual=kind is OperationKind.AUTHORIZE)
    if kind is OperationKind.REFUND:
        order = await world.paid()
        await world.refund(order, 300)
        return order
    order = await world.authorized()
    await (world.cancel(order) if kind is OperationKind.VOID else world.capture(order, 700))
    return order


async def stuck(world: World, kind: OperationKind = OperationKind.CHARGE) -> PaymentOperation:
    """Its worker died before it sent it, which nobody can know; by now it is only looked for, and
    the gateway knows nothing of it."""
    order = await asked_for(world, kind)
    await world.claim_one(world.worker())
    assert await world.work_after(13 * HOUR) == 1
    operation = await last_of(world, order.id)
    assert (operation.kind, operation.problem) == (kind, "not_found")
    return operation


async def last_of(world: World, order_id: UUID) -> PaymentOperation:
    history = await world.history.of_order(order_id)
    assert history is not None
    return history.operations[-1].operation


async def refusal(
    world: World, command: SettleOperationCommand, settle: SettleOperation | None = None
) -> str:
    """What the person is told; nothing has changed."""
    found = await world.history.with_ids([command.operation_id])
    before = [await world.history.of_order(each.order_id) for each in found]
    with pytest.raises(OperationNotSettled) as refused:
        await (settle or use_case(world))(command)
    assert [await world.history.of_order(each.order_id) for each in found] == before
    return refused.value.detail


# What comes of it.


@pytest.mark.parametrize(
    ("kind", "state", "status", "last_events"),
    [
        ("charge", "succeeded", "paid", ["order.paid"]),
        ("authorize", "held", "authorized", ["order.authorized"]),
        ("capture", "succeeded", "paid", ["order.paid"]),
        ("void", "succeeded", "canceled", ["order.canceled"]),
        ("refund", "succeeded", "partially_refunded", ["order.refunded", "refund.succeeded"]),
    ],
)
async def test_what_was_carried_out_is_recorded_as_if_the_gateway_had_said_it(
    world: World, kind: str, state: str, status: str, last_events: list[str]
) -> None:
    operation = await stuck(world, OperationKind(kind))
    payment_id = PAYMENT if kind in ("charge", "authorize") else None
    order_id = await use_case(world)(approved(operation, payment_id))
    history = await world.told(await world.order(order_id))
    tried = history.operations[-1]
    assert (order_id, tried.id) == (operation.order_id, operation.id)
    assert (tried.operation.state, history.order.status) == (state, status)
    named = payment_id or operation.payment_id
    assert tried.operation.payment_id == history.order.payment_id == named
    assert named is not None
    assert [event.type for event in history.events][-len(last_events) :] == last_events
    assert (tried.operation.problem, tried.operation.is_claimed) == (None, False)
    last = tried.attempts[-1]
    assert (last.outcome, last.code) == ("approved", "settled_by_operator")
    assert last.number == tried.operation.fence == operation.fence + 1
    assert await world.work_after(LEASE) == 0


@pytest.mark.parametrize(
    ("kind", "status", "last_event"),
    [
        ("charge", "failed", "order.failed"),
        ("authorize", "failed", "order.failed"),
        ("capture", "authorized", "order.authorized"),
        ("void", "authorized", "order.authorized"),
        ("refund", "paid", "refund.failed"),
    ],
)
async def test_what_never_was_carried_out_is_recorded_as_a_decline(
    world: World, kind: str, status: str, last_event: str
) -> None:
    operation = await stuck(world, OperationKind(kind))
    await use_case(world)(declined(operation))
    history = await world.told(await world.order(operation.order_id))
    tried = history.operations[-1]
    assert (tried.operation.state, history.order.status) == (OperationState.FAILED, status)
    assert tried.operation.failure is not None
    assert tried.operation.failure.code == "never_executed"
    assert history.order.failure == (tried.operation.failure if status == "failed" else None)
    assert history.order.refunding.is_zero
    assert history.events[-1].type is EventType(last_event)
    last = tried.attempts[-1]
    assert (last.outcome, last.code) == ("declined", "settled_by_operator")
    assert await world.work_after(LEASE) == 0


async def test_what_is_asked_for_next_goes_by_the_payment_that_the_person_named(
    world: World,
) -> None:
    charge = await stuck(world)
    await use_case(world)(approved(charge, PAYMENT))
    await world.refund(await world.order(charge.order_id), 400)
    assert (await last_of(world, charge.order_id)).payment_id == PAYMENT


async def test_the_log_says_that_it_was_a_person(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    operation = await stuck(world)
    caplog.clear()
    await use_case(world)(declined(operation))
    (record,) = caplog.records
    assert (record.levelno, record.message) == (
        logging.WARNING,
        "operation settled by an operator",
    )
    said = {name: vars(record)[name] for name in ("operation_id", "order_id", "kind", "outcome")}
    assert said == {
        "operation_id": str(operation.id),
        "order_id": str(operation.order_id),
        "kind": "charge",
        "outcome": "declined",
    }


async def test_to_check_is_to_change_nothing(world: World) -> None:
    operation = await stuck(world)
    assert await use_case(world).check(declined(operation)) == operation
    assert await last_of(world, operation.order_id) == operation


# When it is not for a person.


async def test_an_operation_that_is_not_there_is_refused(world: World) -> None:
    nowhere = SettleOperationCommand(operation_id=ids.new(), approved=False)
    assert "no payment operation" in await refusal(world, nowhere)


async def test_an_operation_that_was_never_sent_is_refused(world: World) -> None:
    order = await world.place()
    world.clock.advance(13 * HOUR)
    told = await refusal(world, declined(await last_of(world, order.id)))
    assert "run `harbor worker`" in told


async def test_an_authorization_that_stands_is_refused(world: World) -> None:
    order = await world.authorized()
    world.clock.advance(13 * HOUR)
    told = await refusal(world, declined(await last_of(world, order.id)))
    assert "capture or cancel its order" in told


@pytest.mark.parametrize("end", ["succeeded", "failed", "withdrawn", "settled"])
async def test_what_has_ended_is_refused(world: World, end: str) -> None:
    if end == "settled":
        operation = await stuck(world)
        await use_case(world)(declined(operation))
    else:
        order = await world.place(payment_method="sim_decline" if end == "failed" else None)
        if end == "withdrawn":
            await world.cancel(order)
        await world.work()
        operation = await last_of(world, order.id)
        assert operation.state is OperationState(end)
    world.clock.advance(13 * HOUR)
    told = await refusal(world, approved(operation, PAYMENT))
    assert "ended already" in told
    assert f"`harbor order show {operation.order_id}`" in told


async def test_what_the_worker_may_still_send_is_refused_until_it_may_not(world: World) -> None:
    order = await world.place()
    await world.claim_one(world.worker())
    first_sent_at = world.clock.now()
    operation = await last_of(world, order.id)
    for age in (SECOND, 31 * SECOND, 12 * HOUR - SECOND):
        world.clock.advance(first_sent_at + age - world.clock.now())
        told = await refusal(world, declined(operation))
        assert f"from {rfc3339(first_sent_at + 12 * HOUR)} on" in told
    world.clock.advance(SECOND)
    await use_case(world)(declined(operation))
    assert (await world.order(order.id)).status is OrderStatus.FAILED


async def test_what_a_worker_is_asking_about_is_refused_until_its_lease_has_ended(
    world: World,
) -> None:
    operation = await stuck(world)
    world.clock.advance(HOUR)
    await world.claim_one(world.worker())
    world.clock.advance(LEASE - SECOND)
    assert "try again in 30 seconds" in await refusal(world, declined(operation))
    world.clock.advance(SECOND)
    await use_case(world)(declined(operation))
    assert (await last_of(world, operation.order_id)).state is OperationState.FAILED


async def test_another_gateways_operation_is_refused(world: World) -> None:
    operation = await stuck(world)

    async with world.database.transaction() as connection:
        await connection.execute(update(payment_operations).values(gateway="another"))
    assert "gateway another: set HARBOR_GATEWAY" in await refusal(world, declined(operation))


@pytest.mark.parametrize("kind", [OperationKind.CHARGE, OperationKind.AUTHORIZE])
async def test_an_approval_that_makes_a_payment_has_to_name_it(
    world: World, kind: OperationKind
) -> None:
    operation = await stuck(world, kind)
    told = await refusal(world, approved(operation))
    assert f"approved {kind} needs --payment-id" in told


@pytest.mark.parametrize("kind", [OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND])
async def test_a_payment_that_is_known_is_not_to_be_named(
    world: World, kind: OperationKind
) -> None:
    operation = await stuck(world, kind)
    assert "leave it out" in await refusal(world, approved(operation, PAYMENT))


async def test_a_decline_names_no_payment(world: World) -> None:
    operation = await stuck(world)
    assert "leave it out" in await refusal(world, declined(operation, PAYMENT))


# While somebody else is at work.


async def test_the_clock_that_counts_is_the_databases(world: World) -> None:
    order = await world.place()
    await world.claim_one(world.worker())
    world.clock.advance(12 * HOUR - SECOND)
    fast = use_case(world, clock=FakeClock(world.clock.now() + HOUR))
    command = declined(await last_of(world, order.id))
    await fast.check(command)
    assert "may still send it" in await refusal(world, command, fast)


async def test_what_ends_before_it_is_claimed_is_refused(world: World) -> None:
    class TooLate(Passing):
        async def claim_one(self, operation_id: UUID, gateway: str, decide: Decide) -> Work | None:
            await use_case(world)(declined(operation))
            return await super().claim_one(operation_id, gateway, decide)

    operation = await stuck(world)
    with pytest.raises(OperationNotSettled, match="ended already, as failed"):
        await use_case(world, operations=TooLate(world.operations))(approved(operation, PAYMENT))
    assert (await world.order(operation.order_id)).status is OrderStatus.FAILED


async def test_of_two_who_say_different_things_at_once_one_is_heard(world: World) -> None:
    operation = await stuck(world)
    settle = use_case(world)
    heard = await asyncio.gather(
        settle(approved(operation, PAYMENT)), settle(declined(operation)), return_exceptions=True
    )
    (refused,) = [each for each in heard if each != operation.order_id]
    assert isinstance(refused, OperationNotSettled)
    won = OrderStatus.FAILED if heard[0] is refused else OrderStatus.PAID
    assert (await world.order(operation.order_id)).status is won


async def test_who_stands_still_for_longer_than_the_lease_has_to_look_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Passing):
        async def record(self, result: Result) -> bool:
            assert await world.work_after(LEASE) == 1
            return await super().record(result)

    operation = await stuck(world)
    with pytest.raises(OperationNotSettled, match="try again if it is still unknown"):
        await use_case(world, operations=Slow(world.operations))(declined(operation))
    found = await last_of(world, operation.order_id)
    assert (found.state, found.problem) == (OperationState.UNKNOWN, "not_found")
    assert "settled by an operator" not in caplog.text


async def test_who_dies_before_it_is_recorded_has_lost_nothing(world: World) -> None:
    class Dead(Passing):
        async def record(self, result: Result) -> bool:
            raise StorageUnavailable("gone")

    operation = await stuck(world)
    with pytest.raises(StorageUnavailable):
        await use_case(world, operations=Dead(world.operations))(approved(operation, PAYMENT))
    claimed = await last_of(world, operation.order_id)
    assert (claimed.state, claimed.fence) == (OperationState.UNKNOWN, operation.fence + 1)
    assert await world.work() == 0
    assert await world.work_after(LEASE) == 1
    assert (await last_of(world, operation.order_id)).problem == "not_found"
    await use_case(world)(approved(operation, PAYMENT))
    assert (await world.order(operation.order_id)).status is OrderStatus.PAID
