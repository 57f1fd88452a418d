"""Several operations in one transaction: of one order, or one of them spoiled."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select, update

from adapters.sql.database import Database
from adapters.sql.payment_operations import SqlPaymentOperations
from adapters.sql.rows import event_to_row, operation_to_row, order_to_row, row_to_order
from adapters.sql.tables import events, orders, payment_attempts, payment_operations
from adapters.system import SystemClock
from application.order_document import order_json
from application.ports.payment_operations import Result, Work
from domain.money import Money
from domain.order import Asking, Change, Order
from domain.payment import Approved, Attempt, PaymentOperation
from domain.settlement import Moment, Settlement, settle, take
from tests.examples import GATEWAY, a_placement, ids

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=30)
PAUSE = timedelta(seconds=1)
PART = 100


def claimed(work: Work, now: datetime) -> Settlement:
    moment = Moment(now=now, event_ids=(ids.new(), ids.new()))
    return take(work.operation, work.order, lease=LEASE, moment=moment)


def approved(operation: PaymentOperation) -> Result:
    outcome = Approved(reference=str(operation.id), amount=operation.amount, payment_id="sim_1")

    def settled(work: Work, now: datetime) -> Settlement:
        moment = Moment(now=now, event_ids=(ids.new(), ids.new()))
        return settle(work.operation, work.order, outcome, pause=PAUSE, moment=moment)

    def attempt(now: datetime) -> Attempt:
        return Attempt(
            operation_id=operation.id,
            merchant_id=operation.merchant_id,
            number=operation.fence,
            started_at=operation.updated_at,
            ended_at=now,
            outcome="approved",
            code=None,
        )

    return Result(claimed=operation, settle=settled, attempt=attempt)


def a_paid_order() -> Order:
    order = a_placement(now=datetime.now(UTC)).order
    now = order.created_at
    order = order.start_processing(event_id=ids.new(), now=now).order
    return order.pay(order.request.amount, "sim_1", event_id=ids.new(), now=now).order


async def save(database: Database, order: Order, *changes: Change) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(orders).values(order_to_row(order)))
        for change in changes:
            event = event_to_row(change.event, order_json(change.order))
            await connection.execute(insert(events).values(event))
            if change.operation is not None:
                row = operation_to_row(change.operation)
                await connection.execute(insert(payment_operations).values(row))


async def column(database: Database, wanted: Any, order_id: UUID) -> list[Any]:
    query = select(wanted).where(wanted.table.c.order_id == order_id).order_by(wanted)
    async with database.statement() as connection:
        return list((await connection.execute(query)).scalars())


async def test_refunds_of_one_order_that_are_recorded_together_go_on_from_each_other(
    database: Database,
) -> None:
    order, changes = a_paid_order(), []
    for _ in range(3):
        asking = Asking(
            operation_id=ids.new(), event_id=ids.new(), gateway=GATEWAY, now=order.created_at
        )
        part = Money(amount_minor=PART, currency=order.request.amount.currency)
        changes.append(order.request_refund(part, None, asking))
        order = changes[-1].order
    await save(database, order, *changes)
    operations = SqlPaymentOperations(database, SystemClock())
    works = await operations.claim(GATEWAY, claimed, 10)
    assert len(works) == 3
    results = [approved(work.operation) for work in works]
    assert await asyncio.gather(*map(operations.record, results)) == [True] * 3
    async with database.statement() as connection:
        row = (await connection.execute(select(orders))).mappings().one()
    refunded = row_to_order(row)
    assert refunded.version == order.version + 6
    assert (refunded.refunded.amount_minor, refunded.refunding.amount_minor) == (3 * PART, 0)
    versions = await column(database, events.c.order_version, order.id)
    assert versions == list(range(4, refunded.version + 1))


async def test_the_same_result_twice_in_one_batch_is_recorded_once(database: Database) -> None:
    change = a_placement(now=datetime.now(UTC))
    await save(database, change.order, change)
    operations = SqlPaymentOperations(database, SystemClock())
    (work,) = await operations.claim(GATEWAY, claimed, 10)
    result = approved(work.operation)
    recorded = await asyncio.gather(operations.record(result), operations.record(result))
    assert sorted(recorded) == [False, True]
    async with database.statement() as connection:
        assert len((await connection.execute(select(payment_attempts))).all()) == 1


async def test_a_stale_result_in_a_batch_does_not_take_the_place_of_the_one_that_holds(
    database: Database,
) -> None:
    change = a_placement(now=datetime.now(UTC))
    await save(database, change.order, change)
    operations = SqlPaymentOperations(database, SystemClock())
    (first,) = await operations.claim(GATEWAY, claimed, 10)
    async with database.transaction() as connection:
        await connection.execute(
            update(payment_operations).values(due_at=payment_operations.c.created_at)
        )
    (second,) = await operations.claim(GATEWAY, claimed, 10)
    assert (first.operation.fence, second.operation.fence) == (1, 2)
    results = [approved(work.operation) for work in (first, second)]
    assert await asyncio.gather(*map(operations.record, results)) == [False, True]
    assert await column(database, payment_operations.c.state, change.order.id) == ["succeeded"]


async def test_an_operation_that_cannot_be_taken_does_not_keep_the_others_waiting(
    database: Database,
) -> None:
    changes = [a_placement(key=str(n), now=datetime.now(UTC)) for n in range(3)]
    for change in changes:
        await save(database, change.order, change)
    spoiled = changes[0].order.id
    async with database.transaction() as connection:
        # As a later version of Harbor might write it.
        await connection.execute(
            update(payment_operations)
            .where(payment_operations.c.order_id == spoiled)
            .values(kind="dispute")
        )
    works = await SqlPaymentOperations(database, SystemClock()).claim(GATEWAY, claimed, 10)
    assert {work.order.id for work in works} == {change.order.id for change in changes[1:]}
