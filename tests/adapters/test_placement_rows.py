"""Written together, alone or in steps: the rows are the same to the last bit."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from adapters.sql.database import Database
from adapters.sql.placements import Placement, placement_of
from adapters.sql.recording import lock_key_of, rows_of
from application.ports.idempotency import Record
from domain.money import Money
from domain.order import MAX_ORDER_AMOUNT_MINOR, CaptureMethod, OrderRequest
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
    placement = placement_of(rows_of(record), lock_key_of(MERCHANT, record.answer.key))
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
    postgresql_database: Database, examples: Sequence[Record]
) -> None:
    store = WatchedStore(postgresql_database)
    placements = [placed(record) for record in examples]
    for placement in placements:
        await store._write_in_steps(placement.as_rows(), placement.lock_key)
    in_steps = await all_rows(postgresql_database)
    assert [len(rows) for rows in in_steps.values()] == [len(examples)] * 4
    await store._write_together(placements)
    assert await all_rows(postgresql_database) == in_steps
    for placement in placements:
        await store._write_together([placement])
    assert await all_rows(postgresql_database) == in_steps
    for record in examples:
        rows = rows_of(record)
        await store._write_in_steps(rows, lock_key_of(MERCHANT, record.answer.key))
    assert await all_rows(postgresql_database) == in_steps


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records(), min_size=1, max_size=4))
async def test_what_a_repeat_finds_is_what_was_recorded(
    postgresql_database: Database, examples: Sequence[Record]
) -> None:
    """Read back by the statement that finds that a key was used, alone and with others."""
    store = WatchedStore(postgresql_database)
    placements = [placed(record) for record in examples]
    await store._write_together(placements)
    answers = [record.answer for record in examples]
    assert await store._write_together(placements) == answers
    assert [(await store._write_together([each]))[0] for each in placements] == answers
    assert [await store.find(MERCHANT, answer.key) for answer in answers] == answers
