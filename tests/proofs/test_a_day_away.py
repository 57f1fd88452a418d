"""A receiver that was away for a day hears all that happened meanwhile.

The use case, the database and HTTP are real. A day passes by moving back in time all that is due.
"""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Table, bindparam, insert, select, update

from adapters.sql.database import Database
from adapters.sql.delivery_turns import SqlDeliveryTurns
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import events, merchants, orders, webhook_deliveries, webhook_endpoints
from adapters.sql.webhook_rows import endpoint_to_row, row_to_endpoint
from adapters.system import SystemClock, SystemIds
from adapters.vault import AesGcmVault
from adapters.webhooks.sender import HttpWebhookSender
from application.deliver_webhooks import DeliverWebhooks
from application.order_document import order_json
from application.webhook_secrets import WebhookSecrets
from domain.webhook import WebhookEndpoint
from tests.examples import a_merchant, a_placement, ids
from tests.journeys.receiver import receiving
from tests.journeys.server import SECRET
from tests.proofs.conftest import Say
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

STEPS = (timedelta(seconds=7), timedelta(minutes=7), timedelta(hours=2, minutes=-7, seconds=-7))
"""Some of the pauses end in each of them. Together they are two hours."""
DAY = 12
ORDERS_A_ROUND = 2
LONGEST_PAUSE = timedelta(hours=14) * 1.2
"""After the seventh attempt; the eighth comes more than a day after the first."""
MOVED = (
    (webhook_deliveries, ("due_at", "created_at")),
    (webhook_endpoints, ("due_at", "failing_since", "lease_expires_at")),
)


@dataclass(slots=True, kw_only=True)
class Days:
    """One merchant with one endpoint, and the time that passes there."""

    database: Database
    merchant_id: UUID
    endpoint_id: UUID
    deliver: DeliverWebhooks
    passed: timedelta = timedelta(0)
    happened: int = 0

    async def go_on(self, by: timedelta) -> None:
        """Everything that is due later is due so much sooner, and was so much longer ago."""
        for table, names in MOVED:
            await self._move(table, names, by)
        self.passed += by

    async def happen(self) -> None:
        """An order is placed."""
        placed = a_placement(self.merchant_id, str(ids.new()))
        async with self.database.transaction() as connection:
            await connection.execute(insert(orders).values(order_to_row(placed.order)))
            row = event_to_row(placed.event, order_json(placed.order))
            await connection.execute(insert(events).values(row))
        self.happened += 1

    async def work(self) -> None:
        """As a worker does, until nothing is due."""
        sequencer = SqlEventSequencer(self.database, SystemIds(), SystemClock())
        while await sequencer.number(100):
            pass
        begun = True
        while begun:
            begun = False
            for failing in (False, True):
                for turn in await self.deliver.claim(10, failing=failing):
                    await self.deliver.carry_out(turn)
                    begun = True

    async def endpoint(self) -> WebhookEndpoint:
        async with self.database.statement() as connection:
            query = select(webhook_endpoints).where(webhook_endpoints.c.id == self.endpoint_id)
            return row_to_endpoint((await connection.execute(query)).mappings().one())

    async def states(self) -> Counter[tuple[str, int]]:
        """How many deliveries there are of each state, after how many attempts."""
        query = select(webhook_deliveries.c.state, webhook_deliveries.c.attempts)
        async with self.database.statement() as connection:
            return Counter(map(tuple, (await connection.execute(query)).all()))

    async def _move(self, table: Table, names: tuple[str, ...], by: timedelta) -> None:
        moments = [table.c[name] for name in names]
        async with self.database.transaction() as connection:
            rows = (await connection.execute(select(table.c.id.label("at"), *moments))).mappings()
            moved = [
                {name: _earlier(row[name], by) if name in names else row[name] for name in row}
                for row in rows
            ]
            if moved:
                change = update(table).where(table.c.id == bindparam("at"))
                await connection.execute(
                    change.values({name: bindparam(name) for name in names}), moved
                )


def _earlier(moment: Any, by: timedelta) -> datetime | None:
    return None if moment is None else moment - by


@pytest.fixture
def port() -> int:
    """Where the receiver is, when it is there."""
    return free_port()


@pytest.fixture
def secrets() -> WebhookSecrets:
    return WebhookSecrets(ids=SystemIds(), vault=AesGcmVault(SECRET.encode()))


@pytest.fixture
async def deliver(database: Database, secrets: WebhookSecrets) -> AsyncIterator[DeliverWebhooks]:
    sender = HttpWebhookSender(allow_loopback=True)
    yield DeliverWebhooks(
        turns=SqlDeliveryTurns(database, SystemClock(), SystemIds()),
        sender=sender,
        secrets=secrets,
        ids=SystemIds(),
        clock=SystemClock(),
        lease=timedelta(seconds=60),
    )
    await sender.close()


async def _registered(database: Database, endpoint: WebhookEndpoint) -> None:
    merchant = a_merchant()
    row = {"id": endpoint.merchant_id, "name": merchant.name, "created_at": merchant.created_at}
    async with database.transaction() as connection:
        await connection.execute(insert(merchants).values(row))
        await connection.execute(insert(webhook_endpoints).values(endpoint_to_row(endpoint)))


async def test_a_receiver_that_was_away_for_a_day_hears_everything(
    database: Database, deliver: DeliverWebhooks, secrets: WebhookSecrets, port: int, say: Say
) -> None:
    now, endpoint_id, merchant_id = SystemClock().now(), ids.new(), ids.new()
    secret, sealed = secrets.new(endpoint_id)
    endpoint = WebhookEndpoint(
        id=endpoint_id,
        merchant_id=merchant_id,
        url=f"http://127.0.0.1:{port}/hook",
        event_types=None,
        description=None,
        secret=sealed,
        created_at=now,
        updated_at=now,
    )
    await _registered(database, endpoint)
    days = Days(
        database=database, merchant_id=merchant_id, endpoint_id=endpoint_id, deliver=deliver
    )
    for _ in range(DAY):
        for step in STEPS:
            for _ in range(ORDERS_A_ROUND):
                await days.happen()
            await days.work()
            await days.go_on(step)
    away = await days.endpoint()
    assert away.is_enabled
    assert away.failing_since is not None
    tried = await days.states()
    assert {state for state, _ in tried} == {"pending"}
    async with receiving(port) as receiver:
        receiver.secret = secret
        back = days.passed
        while len(receiver.hooks) < days.happened and days.passed - back <= LONGEST_PAUSE:
            await days.work()
            await days.go_on(timedelta(hours=1))
    say(
        f"{days.happened} events, tried {max(tried, key=lambda each: each[1])[1]} times at most in"
        f" {back}, all heard {days.passed - back} after that"
    )
    assert receiver.unsigned == 0
    heard = Counter(hook.id for hook in receiver.hooks)
    assert len(heard) == days.happened
    assert set(heard.values()) == {1}
    assert {state for state, _ in await days.states()} == {"delivered"}
    assert (await days.endpoint()).failing_since is None
