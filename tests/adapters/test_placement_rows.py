"""Written together, alone or in steps: the rows are the same to the last bit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from adapters.sql.database import Database
from adapters.sql.placements import Placement, placement_of
from adapters.sql.recording import lock_key_of
from application.ports.idempotency import Record
from domain.event import EventType, OrderEvent
from domain.money import Money
from domain.order import MAX_ORDER_AMOUNT_MINOR, CaptureMethod, Change, OrderRequest
from domain.payment import Failure
from tests import examples
from tests.adapters.watched_store import WatchedStore
from tests.databases import RECORDED
from tests.examples import a_placement, a_record, ids, moments, requests, texts
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

MERCHANT = ids.new()

LARGE = OrderRequest(
    customer_id="é" * 128,
    amount=Money(amount_minor=MAX_ORDER_AMOUNT_MINOR, currency="BHD"),
    invoice_id="🧾" * 128,
    description="\t\"'\\{},NULL\u2028\uffff" * 100,
    payment_method="x" * 255,
    capture_method=CaptureMethod.MANUAL,
    metadata={f"{number:02}" * 20: "🏴‍☠️\0" * 100 for number in range(50)},
)
SMALL = OrderRequest(customer_id="0", amount=Money(amount_minor=1, currency="JPY"), metadata={})


@st.composite
def records(draw: st.DrawFn) -> Record:
    now = draw(moments)
    key = f"{ids.new()}{draw(texts(max_size=200))}"
    return record_of(draw(requests()), now, key)


def record_of(request: OrderRequest, now: datetime = NOW, key: str = "a key") -> Record:
    change = a_placement(MERCHANT, key, request=request, now=now)
    return a_record(
        MERCHANT,
        key,
        change=change,
        body={"description": request.description, "customer_id": request.customer_id},
        created_at=now,
        expires_at=now + timedelta(days=30),
    )


def placed(record: Record) -> Placement:
    placement = placement_of(record, lock_key_of(MERCHANT, record.answer.key))
    # A record of a new order that did not fit the statement would be slow, and untested here.
    assert placement is not None
    return placement


async def all_rows(database: Database) -> dict[str, list[Any]]:
    """Everything recorded, as the server itself shows it; the tables are empty afterwards."""
    found = {}
    async with database.transaction() as connection:
        for table in RECORDED:
            shown = text(f"SELECT row_to_json(each)::text, each::text FROM {table.name} AS each")  # noqa: S608
            found[table.name] = sorted(map(tuple, (await connection.execute(shown)).all()))
        for table in reversed(RECORDED):
            await connection.execute(delete(table))
    return found


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=4))
@example([record_of(LARGE)])
@example([record_of(SMALL)])
@example([record_of(LARGE, key="1"), record_of(SMALL, key="2")])
async def test_rows_are_alike_whichever_way_they_were_written(
    postgresql_database: Database, several: Sequence[Record]
) -> None:
    store = WatchedStore(postgresql_database)
    placements = [placed(record) for record in several]
    for placement in placements:
        await store._write_in_steps(store._rows_of(placement.record), placement.lock_key)
    in_steps = await all_rows(postgresql_database)
    assert [len(rows) for rows in in_steps.values()] == [len(several)] * 4
    await store._write_together(placements)
    assert await all_rows(postgresql_database) == in_steps
    for placement in placements:
        await store._write_together([placement])
    assert await all_rows(postgresql_database) == in_steps
    for placement in placements:
        await store._write_alone(placement)
    assert await all_rows(postgresql_database) == in_steps


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=4))
async def test_what_a_repeat_finds_is_what_was_recorded(
    postgresql_database: Database, several: Sequence[Record]
) -> None:
    """Read back by the statement that finds that a key was used, alone and with others."""
    store = WatchedStore(postgresql_database)
    placements = [placed(record) for record in several]
    await store._write_together(placements)
    answers = [record.answer for record in several]
    assert await store._write_together(placements) == answers
    assert [(await store._write_together([each]))[0] for each in placements] == answers
    assert [await store.find(MERCHANT, answer.key) for answer in answers] == answers


# Records as no life of an order makes them: what does not fit the statement goes another way.


@st.composite
def strange_records(draw: st.DrawFn) -> Record:
    """An order, its operation and its event in any state but with no past at the gateway, all of
    one moment and one key."""
    now, key = draw(moments), str(ids.new())
    order = replace(
        draw(examples.orders(MERCHANT)),
        version=1,
        refunding=Money.zero("EUR"),
        payment_id=None,
        idempotency_key=key,
        created_at=now,
        updated_at=now,
    )
    operation = replace(
        draw(examples.operations(order)),
        amount=order.request.amount,
        payment_method=order.request.payment_method,
        payment_id=None,
        reason=None,
        failure=None,
        problem=None,
        due_at=now,
        created_at=now,
        updated_at=now,
    )
    event = OrderEvent(
        id=ids.new(),
        merchant_id=MERCHANT,
        order_id=order.id,
        order_version=draw(st.integers(1, 2**31 - 1)),
        type=draw(st.sampled_from(EventType)),
        occurred_at=now,
    )
    return a_record(
        MERCHANT,
        key,
        change=Change(order=order, event=event, operation=operation),
        route=draw(texts()),
        resource_type=draw(texts(max_size=32)),
        status=draw(st.integers(200, 299)),
        location=draw(texts()),
        sealed=draw(st.booleans()),
        created_at=now,
        expires_at=draw(moments),
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(strange_records())
async def test_whatever_fits_the_statement_is_written_as_it_is(
    postgresql_database: Database, record: Record
) -> None:
    store = WatchedStore(postgresql_database)
    placements = [placed(record), placed(twin_of(record))]
    assert placements[0].kind == placements[1].kind
    for some in (placements[:1], placements):
        for placement in some:
            await store._write_in_steps(store._rows_of(placement.record), placement.lock_key)
        in_steps = await all_rows(postgresql_database)
        await store._write_together(some)
        assert await all_rows(postgresql_database) == in_steps


def twin_of(record: Record) -> Record:
    """The same under another key."""
    change, answer = record.change, record.answer
    assert isinstance(change, Change)
    assert change.operation is not None
    order = replace(change.order, id=ids.new(), idempotency_key="twin")
    twins = Change(
        order=order,
        event=replace(change.event, id=ids.new(), order_id=order.id),
        operation=replace(change.operation, id=ids.new(), order_id=order.id),
    )
    return replace(record, change=twins, answer=replace(answer, key="twin", resource_id=order.id))


A_LITTLE = timedelta(microseconds=1)


def _misfits() -> dict[str, Record]:
    """Each fits but for one thing, which the statement would write as if it did."""
    record = record_of(LARGE, key="misfit")
    change, answer = record.change, record.answer
    assert isinstance(change, Change)
    order, operation, event = change.order, change.operation, change.event
    assert operation is not None
    assert answer.body is not None
    less = Money(amount_minor=1, currency="BHD")
    orders = {
        "key": replace(order, idempotency_key="another"),
        "created": replace(order, created_at=NOW + A_LITTLE),
        "updated": replace(order, updated_at=NOW + A_LITTLE),
        "payment": replace(order, payment_id="pi_1"),
        "reserved": replace(order, captured=less, refunded=Money.zero("BHD"), refunding=less),
    }
    operations = {
        "amount": replace(operation, amount=less),
        "method": replace(operation, payment_method=None),
        "due": replace(operation, due_at=NOW + A_LITTLE),
        "created": replace(operation, created_at=NOW + A_LITTLE),
        "updated": replace(operation, updated_at=NOW + A_LITTLE),
        "payment": replace(operation, payment_id="pi_1"),
        "reason": replace(operation, reason="returned"),
        "problem": replace(operation, problem="timeout"),
        "failure": replace(operation, failure=Failure(code="c", message="m")),
    }
    return {
        **{
            f"order's {n}": replace(record, change=replace(change, order=o))
            for n, o in orders.items()
        },
        **{
            f"operation's {n}": replace(record, change=replace(change, operation=o))
            for n, o in operations.items()
        },
        "event's moment": replace(
            record, change=replace(change, event=replace(event, occurred_at=NOW + A_LITTLE))
        ),
        "no operation": replace(record, change=replace(change, operation=None)),
        "answer's moment": replace(record, answer=replace(answer, created_at=NOW + A_LITTLE)),
        "answer's body": replace(record, answer=replace(answer, body=b"{}")),
        "no body": replace(record, answer=replace(answer, body=None)),
    }


@pytest.mark.parametrize("misfit", _misfits())
async def test_what_does_not_fit_the_statement_is_written_in_steps(
    postgresql_database: Database, misfit: str
) -> None:
    record = _misfits()[misfit]
    store = WatchedStore(postgresql_database)
    assert placement_of(record, 1) is None
    await store._write_in_steps(store._rows_of(record), 1)
    in_steps = await all_rows(postgresql_database)
    assert (await store.record(record)).fresh
    assert (store.batches, store.alone) == ([], [])
    assert await all_rows(postgresql_database) == in_steps
