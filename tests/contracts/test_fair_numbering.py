"""Numbering is fair to merchants, and to the database, over both databases."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select

from adapters.sql.database import Database
from adapters.sql.tables import event_feeds, webhook_deliveries, webhook_endpoints
from adapters.sql.webhook_rows import endpoint_to_row
from application.ports.events import Events, EventSequencer
from domain.webhook import MAX_ENDPOINTS, WebhookEndpoint
from tests.contracts.feed import a_life, a_new_merchant, number_all, save
from tests.examples import ids
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


async def test_a_burst_of_one_merchant_keeps_nobody_else_waiting(
    database: Database, events: Events, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    quiet = await a_new_merchant(database)
    await save(database, *[change for n in range(50) for change in a_life(merchant_id)])
    await save(database, *a_life(quiet, at=SECOND))
    assert await sequencer.number(100) == 100
    assert await events.last_sequences([merchant_id, quiet]) == {merchant_id: 97, quiet: 3}


async def test_everybody_comes_in_turn_where_all_have_more_than_there_is_room_for(
    database: Database, events: Events, sequencer: EventSequencer
) -> None:
    several = [await a_new_merchant(database) for _ in range(25)]
    lives = [a_life(each, at=n * SECOND) for n, each in enumerate(several)]
    await save(database, *[change for life in lives for change in life])
    assert [await sequencer.number(10) for _ in range(3)] == [10, 10, 10]
    last = await events.last_sequences(several)
    assert sorted(last[each] for each in several) == [1] * 20 + [2] * 5


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_who_finds_many_being_numbered_goes_on_to_the_others(
    database: Database, events: Events, sequencer: EventSequencer
) -> None:
    several = sorted([await a_new_merchant(database) for _ in range(50)])
    taken, free = several[:45], several[45:]
    await save(database, *[change for each in several for change in a_life(each)])
    rows = [{"merchant_id": each, "last_sequence": 0} for each in taken]
    async with database.transaction() as connection:
        await connection.execute(insert(event_feeds), rows)
    async with database.transaction() as holder:
        await holder.execute(select(event_feeds).with_for_update())
        assert await sequencer.number(500) == 15
        assert await events.last_sequences(free) == dict.fromkeys(free, 3)
    assert await number_all(sequencer) == 135


async def test_a_transaction_makes_no_more_deliveries_than_a_database_does_at_once(
    database: Database, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    endpoint = WebhookEndpoint(
        id=ids.new(),
        merchant_id=merchant_id,
        url="https://partner.example/",
        event_types=None,
        description=None,
        secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    rows = [endpoint_to_row(endpoint) | {"id": ids.new()} for _ in range(MAX_ENDPOINTS)]
    async with database.transaction() as connection:
        await connection.execute(insert(webhook_endpoints), rows)
    await save(database, *[change for n in range(40) for change in a_life(merchant_id)])
    assert await sequencer.number(500) == 120
    made = webhook_deliveries.c.created_at
    # A transaction makes its own of one moment.
    query = select(func.count()).select_from(webhook_deliveries).group_by(made).order_by(made)
    async with database.statement() as connection:
        assert list((await connection.execute(query)).scalars()) == [2_000] * 3
