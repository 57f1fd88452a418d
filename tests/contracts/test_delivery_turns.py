"""What `application/ports/delivery_turns.py` promises, over both databases."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from adapters.sql.database import Database
from adapters.sql.deliveries import SqlDeliveries
from adapters.sql.delivery_turns import SqlDeliveryTurns
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import (
    events,
    merchants,
    orders,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
)
from adapters.sql.webhook_endpoints import SqlWebhookEndpoints
from adapters.sql.webhook_rows import endpoint_to_row
from adapters.system import SystemClock, SystemIds
from adapters.vault import AesGcmVault
from application.once import Claim, Once
from application.order_document import order_json
from application.ports.delivery_turns import DeliveryTurns, DueDelivery, Outcome, Turn
from application.redeliver import Redeliver, RedeliverCommand
from domain.delivery import Delivery, DeliveryAttempt
from domain.webhook import DisabledReason, EndpointStatus, WebhookEndpoint
from tests.examples import ROUTE, a_merchant, a_placement, ids
from tests.fakes import NOW, FakeClock

pytestmark = pytest.mark.anyio

LEASE = timedelta(seconds=60)
PAST = datetime(2020, 1, 1, tzinfo=NOW.tzinfo)


@pytest.fixture
def turns(database: Database) -> DeliveryTurns:
    return SqlDeliveryTurns(database, SystemClock(), SystemIds())


@pytest.fixture
async def endpoint(database: Database) -> WebhookEndpoint:
    merchant = a_merchant()
    made = WebhookEndpoint(
        id=ids.new(),
        merchant_id=merchant.id,
        url="https://partner.example/",
        event_types=None,
        description=None,
        secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    row = {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at}
    async with database.transaction() as connection:
        await connection.execute(insert(merchants).values(row))
        await connection.execute(insert(webhook_endpoints).values(endpoint_to_row(made)))
    return made


async def happen(database: Database, endpoint: WebhookEndpoint, how_many: int = 1) -> None:
    """Events that are numbered and due."""
    async with database.transaction() as connection:
        for _ in range(how_many):
            change = a_placement(endpoint.merchant_id, str(ids.new()))
            await connection.execute(insert(orders).values(order_to_row(change.order)))
            row = event_to_row(change.event, order_json(change.order))
            await connection.execute(insert(events).values(row))
    sequencer = SqlEventSequencer(database, SystemIds(), SystemClock())
    assert await sequencer.number(100) == how_many


async def claimed(turns: DeliveryTurns, *, failing: bool = False) -> Turn:
    (turn,) = await turns.claim(LEASE, 10, 100, failing=failing)
    return turn


def an_attempt(due: DueDelivery, status: int) -> DeliveryAttempt:
    return DeliveryAttempt(
        delivery_id=due.delivery.id,
        merchant_id=due.delivery.merchant_id,
        number=due.delivery.attempts + 1,
        started_at=NOW,
        latency=timedelta(milliseconds=7),
        status=status,
        problem=None,
        excerpt="",
    )


def settled(delivery: Delivery, attempt: DeliveryAttempt, now: datetime) -> Delivery:
    if attempt.succeeded:
        return delivery.succeed(now)
    if attempt.is_gone:
        return delivery.hold(now)
    return delivery.fail(now, jitter=0.5, asked_for=None)


async def record(turns: DeliveryTurns, turn: Turn, *statuses: int) -> bool:
    attempts = [an_attempt(due, status) for due, status in zip(turn.due, statuses, strict=False)]
    return await turns.record(Outcome(turn=turn, attempts=tuple(attempts)), settled)


async def states(database: Database) -> Sequence[str]:
    query = select(webhook_deliveries.c.state).order_by(webhook_deliveries.c.sequence)
    async with database.statement() as connection:
        return list((await connection.execute(query)).scalars())


async def lease_ends(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(webhook_endpoints).values(lease_expires_at=PAST))


async def set_status(database: Database, status: EndpointStatus) -> None:
    async with database.transaction() as connection:
        await connection.execute(update(webhook_endpoints).values(status=status.value))


async def test_a_turn_has_what_is_due_in_its_order(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    assert not await turns.claim(LEASE, 10, 100, failing=False)
    await happen(database, endpoint, 5)
    (turn,) = await turns.claim(LEASE, 10, 3, failing=False)
    assert (turn.endpoint, turn.fence) == (endpoint, 1)
    assert [due.delivery.sequence for due in turn.due] == [1, 2, 3]
    assert all(b'"sequence":%d,' % due.delivery.sequence in due.body for due in turn.due)


async def test_of_many_who_claim_one_has_the_turn_until_its_lease_ends(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint)
    claims = await asyncio.gather(*(turns.claim(LEASE, 10, 100, failing=False) for _ in range(5)))
    assert sorted(map(len, claims)) == [0, 0, 0, 0, 1]
    await happen(database, endpoint)
    assert not await turns.claim(LEASE, 10, 100, failing=False)
    await lease_ends(database)
    assert len((await claimed(turns)).due) == 2


async def test_what_came_of_a_turn_is_saved_and_the_next_one_goes_on(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint, 2)
    assert await record(turns, await claimed(turns), 204)
    assert await states(database) == ["delivered", "pending"]
    turn = await claimed(turns)
    assert [due.delivery.sequence for due in turn.due] == [2]
    assert await record(turns, turn, 204)
    # Nothing waits, and nobody is woken for nothing.
    async with database.statement() as connection:
        assert await connection.scalar(select(webhook_endpoints.c.due_at)) is None
        assert len((await connection.execute(select(webhook_attempts))).all()) == 2
    await happen(database, endpoint)
    assert [due.delivery.sequence for due in (await claimed(turns)).due] == [3]


async def test_a_late_result_is_dropped(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint)
    late = await claimed(turns)
    await lease_ends(database)
    second = await claimed(turns)
    assert not await record(turns, late, 500)
    assert await states(database) == ["pending"]
    assert await record(turns, second, 204)
    assert await states(database) == ["delivered"]


async def test_who_fails_is_claimed_apart_until_something_succeeds(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint)
    assert await record(turns, await claimed(turns), 500)
    await happen(database, endpoint)
    assert not await turns.claim(LEASE, 10, 100, failing=False)
    turn = await claimed(turns, failing=True)
    assert turn.endpoint.failing_since is not None
    assert await record(turns, turn, 204)
    await happen(database, endpoint)
    assert (await claimed(turns)).endpoint.failing_since is None


async def test_a_delivery_that_is_asked_for_during_its_attempt_begins_anew(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint)
    async with database.transaction() as connection:
        await connection.execute(update(webhook_deliveries).values(failures=9, attempts=9))
    turn = await claimed(turns)
    # It would be held after this one. The merchant has mended the receiver and asks again.
    async with database.transaction() as connection:
        await connection.execute(update(webhook_deliveries).values(failures=0))
    assert await record(turns, turn, 500)
    assert await states(database) == ["pending"]


async def test_who_is_gone_is_disabled_with_an_event_and_what_waits_is_held(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint, 5)
    assert await record(turns, await claimed(turns), 204, 410)
    assert await states(database) == ["delivered", "held", "pending", "pending", "pending"]
    async with database.statement() as connection:
        row = (await connection.execute(select(webhook_endpoints))).mappings().one()
        told = select(events.c.type, events.c.endpoint_id).where(events.c.order_id.is_(None))
        assert (await connection.execute(told)).all() == [
            ("webhook_endpoint.disabled", endpoint.id)
        ]
    assert (row["status"], row["disabled_reason"]) == ("disabled", DisabledReason.GONE.value)
    assert [await turns.hold(2) for _ in range(3)] == [2, 1, 0]
    assert await states(database) == ["delivered", *["held"] * 4]


async def test_nothing_is_held_of_an_endpoint_that_is_enabled(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint, 2)
    assert await turns.hold(10) == 0
    await set_status(database, EndpointStatus.DISABLED)
    await set_status(database, EndpointStatus.ENABLED)
    assert await turns.hold(10) == 0
    assert await states(database) == ["pending", "pending"]


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_what_is_enabled_while_somebody_begins_to_hold_is_not_held(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    await happen(database, endpoint, 2)
    await set_status(database, EndpointStatus.DISABLED)
    async with database.transaction() as enabling:
        values = {"status": EndpointStatus.ENABLED.value}
        await enabling.execute(update(webhook_endpoints).values(values))
        holding = asyncio.create_task(turns.hold(10))
        await asyncio.wait([holding], timeout=0.5)
    assert await holding == 0
    assert await states(database) == ["pending", "pending"]


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_what_is_asked_for_again_is_due_by_the_clock_of_the_database(
    database: Database, turns: DeliveryTurns, endpoint: WebhookEndpoint
) -> None:
    """However wrong the clock is of the process that was asked."""
    await happen(database, endpoint, 2)
    turn = await claimed(turns)
    assert await record(turns, turn, 204, 204)
    for count, wrong in enumerate((NOW + timedelta(days=365_000), PAST)):
        redeliver = Redeliver(
            once=Once(
                answers=SqlIdempotencyStore(database, FakeClock(wrong)),
                vault=AesGcmVault(b"a secret of the tests, long enough for anyone"),
                clock=FakeClock(wrong),
            ),
            deliveries=SqlDeliveries(database),
            endpoints=SqlWebhookEndpoints(database),
        )
        delivery = turn.due[count].delivery
        claim = Claim(merchant_id=endpoint.merchant_id, key=str(wrong), route=ROUTE, body={})
        await redeliver(RedeliverCommand(claim=claim, delivery_id=delivery.id))
        again = await claimed(turns)
        assert [due.delivery.id for due in again.due] == [delivery.id]
        assert abs(again.due[0].delivery.due_at - SystemClock().now()) < timedelta(minutes=1)
        assert await record(turns, again, 204)
