"""The database itself refuses what must never be, whatever the code above it does."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from adapters.sql.database import Database
from adapters.sql.rows import answer_to_row, event_to_row, operation_to_row, order_to_row
from adapters.sql.tables import events, idempotency_keys, orders, payment_operations
from domain.order import Change
from tests.examples import a_placement, a_record, document_of, ids

pytestmark = pytest.mark.anyio

MERCHANT, STRANGER = ids.new(), ids.new()


@pytest.fixture
async def placed(database: Database) -> Change:
    change = a_placement(MERCHANT)
    assert change.operation is not None
    async with database.transaction() as connection:
        await connection.execute(insert(orders).values(order_to_row(change.order)))
        operation = operation_to_row(change.operation)
        await connection.execute(insert(payment_operations).values(operation))
        event = event_to_row(change.event, document_of(change.order).decode())
        await connection.execute(insert(events).values(event))
        answer = answer_to_row(a_record(MERCHANT, change=change).answer)
        await connection.execute(insert(idempotency_keys).values(answer))
    return change


async def insertion_fails(database: Database, table: Table, row: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(insert(table).values(row))


@pytest.mark.parametrize(
    "amounts",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"captured_minor": 2000},
        {"captured_minor": 5, "refunded_minor": 6},
        {"captured_minor": 5, "refunded_minor": 3, "refunding_minor": 3},
        {"captured_minor": 5, "refunding_minor": -1},
        {"captured_minor": -1, "refunded_minor": -1},
    ],
    ids=str,
)
async def test_an_order_never_holds_more_than_its_amount(
    database: Database, placed: Change, amounts: dict[str, int]
) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(update(orders).values(amounts))


async def test_a_merchants_key_makes_one_order_for_ever(database: Database, placed: Change) -> None:
    again = a_placement(MERCHANT, placed.order.idempotency_key)
    await insertion_fails(database, orders, order_to_row(again.order))
    elsewhere = a_placement(STRANGER, placed.order.idempotency_key)
    async with database.transaction() as connection:
        await connection.execute(insert(orders).values(order_to_row(elsewhere.order)))


async def test_a_merchants_key_has_one_answer(database: Database, placed: Change) -> None:
    row = answer_to_row(a_record(MERCHANT).answer)
    await insertion_fails(database, idempotency_keys, row)


@pytest.mark.parametrize("status", [100, 199, 300, 409, 500])
async def test_only_successes_are_kept_under_a_key(database: Database, status: int) -> None:
    row = answer_to_row(a_record(MERCHANT, status=status).answer)
    await insertion_fails(database, idempotency_keys, row)


async def test_a_version_of_an_order_has_one_event(database: Database, placed: Change) -> None:
    second = replace(placed.event, id=ids.new())
    await insertion_fails(
        database, events, event_to_row(second, document_of(placed.order).decode())
    )


async def test_no_operation_belongs_to_no_order_or_to_another_merchants(
    database: Database, placed: Change
) -> None:
    assert placed.operation is not None
    for stray in (
        replace(placed.operation, id=ids.new(), order_id=ids.new()),
        replace(placed.operation, id=ids.new(), merchant_id=STRANGER),
    ):
        await insertion_fails(database, payment_operations, operation_to_row(stray))


async def test_no_event_belongs_to_no_order_or_to_another_merchants(
    database: Database, placed: Change
) -> None:
    for stray in (
        replace(placed.event, id=ids.new(), order_id=ids.new()),
        replace(placed.event, id=ids.new(), merchant_id=STRANGER),
    ):
        await insertion_fails(
            database, events, event_to_row(stray, document_of(placed.order).decode())
        )


async def test_postgresql_refuses_a_number_its_column_cannot_hold(
    postgresql_database: Database,
) -> None:
    row = order_to_row(a_placement(MERCHANT).order) | {"amount_minor": 2**63}
    with pytest.raises(DBAPIError):
        async with postgresql_database.transaction() as connection:
            await connection.execute(insert(orders).values(row))
