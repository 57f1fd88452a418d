"""A server that is told to stop while receivers are slow: what was told is on record."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select

from adapters.sql.database import Database
from adapters.sql.tables import webhook_attempts
from tests.databases import closing
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.receiver import receiving
from tests.journeys.server import Harbor
from tests.journeys.test_webhooks import registered

pytestmark = pytest.mark.anyio

ORDERS = 30
SLOW_SECONDS = 1.0


async def test_what_slow_receivers_were_told_is_recorded_at_a_stop(tmp_path: Path) -> None:
    """SIGTERM, when some attempts are under way and more wait: those end, no other is begun."""
    harbor = Harbor(tmp_path)
    with harbor.serving("--no-worker") as server, harbor.working() as worker:
        async with client_of(server) as client, receiving() as receiver:
            api = Api(client, await new_merchant(harbor))
            receiver.delay_seconds = SLOW_SECONDS
            await registered(api, receiver, event_types=["order.created"])
            for _ in range(ORDERS):
                await api.placed()
            await receiver.until(lambda hooks: len(hooks) >= 1)
            await asyncio.to_thread(worker.stop)
            told = len(receiver.hooks)
    database = Database(harbor.database_url)
    async with closing(database), database.statement() as connection:
        recorded = await connection.scalar(select(func.count()).select_from(webhook_attempts))
    assert 1 <= told < ORDERS
    assert recorded == told
