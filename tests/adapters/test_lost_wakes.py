"""What becomes due while a turn is being recorded, or claimed for nothing, is told too: on
PostgreSQL, where the two run at once.

Numbering looks whether the endpoint is due already before it wakes it, and may see what recording
is about to take back. What keeps them apart is the lock that a new delivery's foreign key takes on
the endpoint's row: without the constraint these tests fail.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from adapters.sql.database import Database
from adapters.sql.delivery_turns import SqlDeliveryTurns
from adapters.sql.engine import AsyncConnection
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import events, merchants, orders, webhook_deliveries, webhook_endpoints
from adapters.sql.webhook_rows import endpoint_to_row
from adapters.system import SystemClock, SystemIds
from application.order_document import order_json
from application.ports.delivery_turns import Outcome, Turn
from domain.delivery import Delivery, DeliveryAttempt
from domain.webhook import WebhookEndpoint
from tests.databases import closing
from tests.examples import a_merchant, a_placement, ids
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=60)
AGO = timedelta(seconds=1)
FOR_A_LOCK_SECONDS = 0.5


class HeldDatabase(Database):
    """Its transactions have done everything and wait to be committed, once they are held."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.done = asyncio.Event()
        self.go_on = asyncio.Event()

    @asynccontextmanager
    async def transaction(self, *, patient: bool = False) -> AsyncIterator[AsyncConnection]:
        async with super().transaction(patient=patient) as connection:
            yield connection
            self.done.set()
            await self.go_on.wait()


@pytest.fixture
def turns(postgresql_database: Database) -> SqlDeliveryTurns:
    return SqlDeliveryTurns(postgresql_database, SystemClock(), SystemIds())


@pytest.fixture
async def endpoint(postgresql_database: Database) -> WebhookEndpoint:
    merchant = a_merchant()
    made = WebhookEndpoint(
        id=ids.new(),
        merchant_id=merchant.id,
        url="https://receiver.example",
        event_types=None,
        description=None,
        secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    async with postgresql_database.transaction() as connection:
        await connection.execute(
            insert(merchants).values(id=merchant.id, name="Acme", created_at=NOW)
        )
        await connection.execute(insert(webhook_endpoints).values(endpoint_to_row(made)))
    return made


@pytest.fixture
async def held(postgresql_url: str) -> AsyncIterator[HeldDatabase]:
    database = HeldDatabase(postgresql_url)
    async with closing(database):
        yield database


async def _something_happens(database: Database, merchant_id: UUID) -> None:
    placed = a_placement(merchant_id, str(ids.new()))
    async with database.transaction() as connection:
        await connection.execute(insert(orders).values(order_to_row(placed.order)))
        row = event_to_row(placed.event, order_json(placed.order))
        await connection.execute(insert(events).values(row))


def _sequencer(database: Database) -> SqlEventSequencer:
    return SqlEventSequencer(database, SystemIds(), SystemClock())


async def _until_claimed(turns: SqlDeliveryTurns) -> Turn:
    (turn,) = await turns.claim(LEASE, 10, 10, failing=False)
    return turn


def _heard(turn: Turn) -> Outcome:
    attempts = tuple(
        DeliveryAttempt(
            delivery_id=each.delivery.id,
            merchant_id=each.delivery.merchant_id,
            number=1,
            started_at=NOW,
            latency=AGO,
            status=204,
            problem=None,
            excerpt="",
        )
        for each in turn.due
    )
    return Outcome(turn=turn, attempts=attempts)


def _succeed(delivery: Delivery, _: DeliveryAttempt, now: datetime) -> Delivery:
    return delivery.succeed(now)


async def test_what_happens_while_a_turn_is_recorded_is_told(
    postgresql_database: Database,
    turns: SqlDeliveryTurns,
    endpoint: WebhookEndpoint,
    held: HeldDatabase,
) -> None:
    await _something_happens(postgresql_database, endpoint.merchant_id)
    assert await _sequencer(postgresql_database).number(10) == 1
    turn = await _until_claimed(turns)
    await _something_happens(postgresql_database, endpoint.merchant_id)
    numbering = asyncio.create_task(_sequencer(held).number(10))
    await held.done.wait()
    recording = asyncio.create_task(turns.record(_heard(turn), _succeed))
    await asyncio.wait([recording], timeout=FOR_A_LOCK_SECONDS)
    held.go_on.set()
    assert await recording
    assert await numbering == 1
    following = await _until_claimed(turns)
    assert [each.delivery.sequence for each in following.due] == [2]


async def test_what_happens_while_a_turn_is_claimed_for_nothing_is_told(
    postgresql_database: Database,
    turns: SqlDeliveryTurns,
    endpoint: WebhookEndpoint,
    held: HeldDatabase,
) -> None:
    """An endpoint may seem due when nothing is: here somebody took away what was."""
    await _something_happens(postgresql_database, endpoint.merchant_id)
    assert await _sequencer(postgresql_database).number(10) == 1
    async with postgresql_database.transaction() as connection:
        await connection.execute(update(webhook_deliveries).values(state="held"))
    await _something_happens(postgresql_database, endpoint.merchant_id)
    numbering = asyncio.create_task(_sequencer(held).number(10))
    await held.done.wait()
    assert not await turns.claim(LEASE, 10, 10, failing=False)
    held.go_on.set()
    assert await numbering == 1
    following = await _until_claimed(turns)
    assert [each.delivery.sequence for each in following.due] == [2]
