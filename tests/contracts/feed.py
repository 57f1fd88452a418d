"""Merchants and what happened to their orders, as it stands in the tables."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import insert

from adapters.sql.database import Database
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import events, merchants, orders
from application.order_document import order_json
from application.ports.events import EventSequencer
from domain.order import Change
from tests.examples import a_merchant, a_placement, ids
from tests.fakes import NOW


async def a_new_merchant(database: Database) -> UUID:
    merchant = a_merchant()
    async with database.transaction() as connection:
        await connection.execute(
            insert(merchants).values(
                id=merchant.id, name=merchant.name, created_at=merchant.created_at
            )
        )
    return merchant.id


def a_life(merchant_id: UUID, *, at: timedelta = timedelta(0)) -> list[Change]:
    """An order that is placed, processed and paid, all at one moment."""
    placed = a_placement(merchant_id, str(ids.new()), now=NOW + at)
    now = placed.order.created_at
    taken = placed.order.start_processing(event_id=ids.new(), now=now)
    amount = taken.order.request.amount
    return [placed, taken, taken.order.pay(amount, "pay_1", event_id=ids.new(), now=now)]


async def save(database: Database, *changes: Change) -> None:
    async with database.transaction() as connection:
        for change in changes:
            if change.order.version == 1:
                await connection.execute(insert(orders).values(order_to_row(change.order)))
        for change in changes:
            row = event_to_row(change.event, order_json(change.order))
            await connection.execute(insert(events).values(row))


async def number_all(sequencer: EventSequencer) -> int:
    numbered = 0
    while count := await sequencer.number(100):
        numbered += count
    return numbered
