"""Whatever the domain can hold comes back from the databases as it was."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, insert, select

from adapters.sql.database import Database
from adapters.sql.rows import (
    answer_to_row,
    api_key_to_row,
    attempt_to_row,
    event_to_row,
    operation_to_row,
    order_to_row,
    row_to_answer,
    row_to_api_key,
    row_to_attempt,
    row_to_event,
    row_to_operation,
    row_to_order,
)
from adapters.sql.tables import (
    api_keys,
    events,
    idempotency_keys,
    merchants,
    orders,
    payment_attempts,
    payment_operations,
)
from application.json_text import render
from application.order_document import order_document
from application.ports.idempotency import StoredAnswer
from domain.event import EventType, OrderEvent
from domain.merchant import ApiKey
from domain.order import Order
from domain.payment import PaymentOperation
from tests import examples
from tests.examples import document_of, ids, moments

pytestmark = pytest.mark.anyio

MERCHANT = ids.new()

# Each example has ids of its own, so that they may share the database.
through_databases = settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def there_and_back(
    database: Database, table: Table, row: dict[str, Any], *before: tuple[Table, dict[str, Any]]
) -> Any:
    """`row`, as a new connection reads it."""
    keys = [column for column in table.primary_key if isinstance(row[column.name], UUID | str)]
    async with database.transaction() as connection:
        for other, other_row in before:
            await connection.execute(insert(other).values(other_row))
        await connection.execute(insert(table).values(row))
    query = select(table).where(*(column == row[column.name] for column in keys))
    async with database.statement() as connection:
        return (await connection.execute(query)).mappings().one()


@through_databases
@given(examples.orders(MERCHANT))
async def test_an_order_comes_back_as_it_was(database: Database, order: Order) -> None:
    assert row_to_order(await there_and_back(database, orders, order_to_row(order))) == order


@through_databases
@given(examples.operations(examples.a_placement(MERCHANT).order))
async def test_an_operation_comes_back_as_it_was(
    database: Database, operation: PaymentOperation
) -> None:
    order = examples.a_placement(MERCHANT, str(ids.new()), order_id=ids.new()).order
    operation = replace(operation, order_id=order.id)
    row = await there_and_back(
        database, payment_operations, operation_to_row(operation), (orders, order_to_row(order))
    )
    assert row_to_operation(row) == operation


@through_databases
@given(st.data())
async def test_an_attempt_comes_back_as_it_was(database: Database, data: st.DataObject) -> None:
    change = examples.a_placement(MERCHANT, str(ids.new()), order_id=ids.new())
    operation = change.operation
    assert operation is not None
    attempt = data.draw(examples.attempts(operation))
    row = await there_and_back(
        database,
        payment_attempts,
        attempt_to_row(attempt),
        (orders, order_to_row(change.order)),
        (payment_operations, operation_to_row(operation)),
    )
    assert row_to_attempt(row) == attempt


@through_databases
@given(examples.answers(MERCHANT))
async def test_an_answer_comes_back_as_it_was(database: Database, answer: StoredAnswer) -> None:
    row = await there_and_back(database, idempotency_keys, answer_to_row(answer))
    assert row_to_answer(row) == answer


@through_databases
@given(examples.api_keys(MERCHANT))
async def test_an_api_key_comes_back_as_it_was(database: Database, key: ApiKey) -> None:
    merchant = examples.a_merchant()
    key = replace(key, merchant_id=merchant.id)
    merchant_row = {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at}
    row = await there_and_back(database, api_keys, api_key_to_row(key), (merchants, merchant_row))
    assert row_to_api_key(row) == key


@through_databases
@given(examples.orders(MERCHANT), st.sampled_from(EventType), moments)
async def test_an_event_keeps_the_public_document_of_the_order_as_it_left_it(
    database: Database, order: Order, event_type: EventType, moment: datetime
) -> None:
    event = OrderEvent(
        id=ids.new(),
        merchant_id=MERCHANT,
        order_id=order.id,
        order_version=order.version,
        type=event_type,
        occurred_at=moment,
    )
    row = await there_and_back(
        database,
        events,
        event_to_row(event, document_of(order).decode()),
        (orders, order_to_row(order)),
    )
    assert row["data"] == render(order_document(order)).decode()
    assert "risk_score" not in json.loads(row["data"])
    assert row_to_event(row) == event
