"""What `application/ports/payment_operations.py` promises, over both databases."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, insert, make_url, select, text, update
from sqlalchemy.exc import IntegrityError

from adapters.sql.database import Database, PoolLimits
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.orders import SqlOrders
from adapters.sql.payment_history import SqlPaymentHistory
from adapters.sql.payment_operations import KEPT_ATTEMPTS, SqlPaymentOperations
from adapters.sql.present import present
from adapters.sql.recording import rows_of
from adapters.sql.rows import attempt_to_row, event_to_row, operation_to_row, order_to_row
from adapters.sql.tables import events, orders, payment_attempts, payment_operations
from adapters.system import SystemClock
from application.order_document import order_json
from application.ports.faults import ChangedMeanwhile, StorageUnavailable
from application.ports.payment_history import History
from application.ports.payment_operations import Decide, Result, Work
from domain.event import EventType
from domain.money import Money
from domain.order import Asking, CaptureMethod, Change, Order, OrderStatus
from domain.payment import (
    Approved,
    Attempt,
    Declined,
    Failure,
    OperationState,
    Outcome,
    PaymentOperation,
    Unknown,
)
from domain.settlement import Moment, Settlement, settle, take
from tests.databases import SqliteDatabases, closing
from tests.examples import GATEWAY, a_placement, a_record, a_request, ids
from tests.fakes import FakeClock

pytestmark = pytest.mark.anyio

CLOCK = SystemClock()
"""PostgreSQL goes by its own, which here is the same."""
MINUTE = timedelta(minutes=1)
LEASE = 5 * MINUTE
PAUSE = 2 * MINUTE
DECLINED = Declined(Failure(code="card_declined", message="The card was declined."))

OUTCOMES = ("approved", "declined", "unknown")


@pytest.fixture
async def operations(database: Database) -> AsyncIterator[SqlPaymentOperations]:
    made = SqlPaymentOperations(database, CLOCK)
    yield made
    await made.drain()


@pytest.fixture
async def other_database(database: Database, database_url: str) -> AsyncIterator[Database]:
    """The same, as another process has it."""
    async with closing(Database(database_url)) as opened:
        yield opened


# What is there before.


def euros(minor: int) -> Money:
    return Money(amount_minor=minor, currency="EUR")


def a_placed(
    merchant_id: UUID | None = None,
    *,
    due: timedelta = -MINUTE,
    method: CaptureMethod = CaptureMethod.AUTOMATIC,
    **operation: Any,
) -> Change:
    """An order whose first operation is due that long after now."""
    request = a_request(amount=euros(1000), capture_method=method)
    placed = a_placement(merchant_id, str(ids.new()), request=request, now=CLOCK.now() - 2 * MINUTE)
    assert placed.operation is not None
    changed = replace(placed.operation, due_at=CLOCK.now() + due, **operation)
    return replace(placed, operation=changed)


async def save(database: Database, *placed: Change) -> None:
    """The orders as they are, each with its last event and operation."""
    async with database.transaction() as connection:
        for change in placed:
            await connection.execute(insert(orders).values(order_to_row(change.order)))
            event = event_to_row(change.event, order_json(change.order))
            await connection.execute(insert(events).values(event))
            assert change.operation is not None
            operation = operation_to_row(change.operation)
            await connection.execute(insert(payment_operations).values(operation))


async def save_paid(database: Database, refunds: Sequence[int]) -> list[UUID]:
    """A paid order with so many refunds that are due."""
    charged = a_placed(state=OperationState.SUCCEEDED, due=timedelta(days=1))
    paid = replace(charged.order, status=OrderStatus.PAID, captured=euros(1000), payment_id="pay")
    await save(database, replace(charged, order=paid))
    return [await ask_for_refund(database, paid, amount) for amount in refunds]


async def ask_for_refund(database: Database, of: Order, amount: int) -> UUID:
    """As a request does it, which reads the order, changes it, and does it again if it came too
    late."""
    store = SqlIdempotencyStore(database, CLOCK)
    while True:
        order = await SqlOrders(database).get(of.merchant_id, of.id)
        assert order is not None
        change = order.request_refund(euros(amount), None, an_asking())
        assert change.operation is not None
        try:
            await store.record(a_record(of.merchant_id, str(ids.new()), change=change))
        except ChangedMeanwhile:
            continue
        return change.operation.id


def an_asking() -> Asking:
    now = CLOCK.now() - MINUTE
    return Asking(operation_id=ids.new(), event_id=ids.new(), gateway=GATEWAY, now=now)


# What is done with it.


def a_moment(now: datetime) -> Moment:
    return Moment(now=now, event_ids=(ids.new(), ids.new()))


def take_for(lease: timedelta) -> Decide:
    def decide(work: Work, now: datetime) -> Settlement:
        return take(work.operation, work.order, lease=lease, moment=a_moment(now))

    return decide


async def claim(
    operations: SqlPaymentOperations, limit: int = 100, lease: timedelta = LEASE
) -> Sequence[Work]:
    return await operations.claim(GATEWAY, take_for(lease), limit)


async def claim_one(operations: SqlPaymentOperations) -> PaymentOperation:
    (work,) = await claim(operations)
    return work.operation


def approval_of(operation: PaymentOperation, **changes: Any) -> Approved:
    return Approved(
        reference=str(operation.id), amount=operation.amount, payment_id="pay", **changes
    )


def a_result(claimed: PaymentOperation, outcome: Outcome | None = None) -> Result:
    """Approved unless said otherwise."""
    said = outcome or approval_of(claimed)

    def decide(work: Work, now: datetime) -> Settlement:
        return settle(work.operation, work.order, said, pause=PAUSE, moment=a_moment(now))

    def attempt(now: datetime) -> Attempt:
        return Attempt(
            operation_id=claimed.id,
            merchant_id=claimed.merchant_id,
            number=claimed.fence,
            started_at=claimed.updated_at,
            ended_at=now,
            outcome=type(said).__name__.lower(),
            code=None,
        )

    return Result(claimed=claimed, settle=decide, attempt=attempt)


async def time_passes(database: Database, by: timedelta) -> None:
    """Neither database can be told to wait: all that it waits for comes nearer."""
    columns = payment_operations.c
    async with database.transaction() as connection:
        query = select(columns.id, columns.due_at, columns.lease_expires_at)
        for id_, due_at, lease in (await connection.execute(query)).all():
            nearer = {"due_at": due_at - by, "lease_expires_at": lease and lease - by}
            where = columns.id == id_
            await connection.execute(update(payment_operations).where(where).values(nearer))


# What came of it.


async def life_of(database: Database, order_id: UUID) -> History:
    """All of the order, whose versions and events must go together."""
    history = await SqlPaymentHistory(database).of_order(order_id)
    assert history is not None
    last = history.order.version
    versions = [event.order_version for event in history.events]
    assert versions == list(range(versions[0], last + 1))
    query = select(events.c.data).where(
        events.c.order_id == order_id, events.c.order_version == last
    )
    async with database.statement() as connection:
        assert await connection.scalar(query) == order_json(history.order)
    return history


async def told_by(history: History) -> list[EventType]:
    return [event.type for event in history.events]


async def attempts_of(database: Database, operation_id: UUID) -> int:
    query = select(func.count()).where(payment_attempts.c.operation_id == operation_id)
    async with database.statement() as connection:
        return await connection.scalar(query) or 0


async def now_of(database: Database, operation: PaymentOperation) -> PaymentOperation:
    found = await SqlPaymentHistory(database).operation(operation.merchant_id, operation.id)
    assert found is not None
    return found


# Claiming.


async def test_what_is_due_is_claimed_and_nothing_else(
    database: Database, operations: SqlPaymentOperations
) -> None:
    due = [a_placed(), a_placed(due=timedelta(0)), a_placed(due=-timedelta(days=400))]
    later = [a_placed(due=MINUTE), a_placed(due=timedelta(days=400))]
    ended = [
        a_placed(state=state)
        for state in (OperationState.SUCCEEDED, OperationState.FAILED, OperationState.WITHDRAWN)
    ]
    elsewhere = a_placed(gateway="another")
    await save(database, *due, *later, *ended, elsewhere)
    claimed = await claim(operations)
    assert {work.order.id for work in claimed} == {change.order.id for change in due}
    assert [work.operation for work in claimed] == [
        await now_of(database, work.operation) for work in claimed
    ]
    for change in (*later, *ended, elsewhere):
        assert change.operation is not None
        assert await now_of(database, change.operation) == change.operation


async def test_another_gateways_worker_takes_what_is_that_gateways(
    database: Database, operations: SqlPaymentOperations
) -> None:
    ours, theirs = a_placed(), a_placed(gateway="another")
    await save(database, ours, theirs)
    (work,) = await operations.claim("another", take_for(LEASE), 10)
    assert work.order.id == theirs.order.id


async def test_what_has_been_due_for_longest_is_claimed_first_and_no_more_than_asked_for(
    database: Database, operations: SqlPaymentOperations
) -> None:
    waiting = [a_placed(due=-minutes * MINUTE) for minutes in (3, 9, 1, 7, 5)]
    await save(database, *waiting)
    claimed = [await claim(operations, limit=2) for _ in range(4)]
    found = [[work.order.id for work in batch] for batch in claimed]
    by_wait = [waiting[place].order.id for place in (1, 3, 4, 0, 2)]
    assert [sorted(batch) for batch in found] == [
        sorted(by_wait[:2]),
        sorted(by_wait[2:4]),
        by_wait[4:],
        [],
    ]


async def test_a_claim_starts_processing_the_order_and_tells_of_it(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)
    before = CLOCK.now()
    (work,) = await claim(operations)
    history = await life_of(database, placed.order.id)
    assert history.order == work.order
    assert (work.order.status, work.order.version) == (OrderStatus.PROCESSING, 2)
    assert await told_by(history) == [EventType.ORDER_CREATED, EventType.ORDER_PROCESSING]
    claimed = work.operation
    assert (claimed.state, claimed.fence, claimed.attempts) == (OperationState.UNKNOWN, 1, 1)
    assert claimed.lease_expires_at == claimed.due_at == claimed.updated_at + LEASE
    assert claimed.first_sent_at == claimed.updated_at
    assert before - MINUTE < claimed.updated_at < CLOCK.now() + MINUTE


async def test_a_claim_that_cannot_be_saved_whole_changes_nothing(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)

    def with_a_clash(work: Work, now: datetime) -> Settlement:
        moment = Moment(now=now, event_ids=(placed.event.id, ids.new()))
        return take(work.operation, work.order, lease=LEASE, moment=moment)

    with pytest.raises(IntegrityError):
        await operations.claim(GATEWAY, with_a_clash, 1)
    history = await life_of(database, placed.order.id)
    assert history.order == placed.order
    assert history.operations[0].operation == placed.operation
    assert len(await claim(operations)) == 1


async def test_an_operation_that_cannot_be_taken_does_not_keep_the_others_waiting(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = [a_placed(due=-minutes * MINUTE) for minutes in (9, 8, 7)]
    await save(database, *placed)

    def with_a_bug(work: Work, now: datetime) -> Settlement:
        if work.order.id == placed[0].order.id:
            raise ZeroDivisionError
        return take_for(LEASE)(work, now)

    taken = await operations.claim(GATEWAY, with_a_bug, 10)
    assert {work.order.id for work in taken} == {change.order.id for change in placed[1:]}
    assert (await life_of(database, placed[0].order.id)).order == placed[0].order
    # It would be the first of every batch, and with a limit of one the only one.
    assert await operations.claim(GATEWAY, with_a_bug, 1) == ()
    async with database.statement() as connection:
        due_at = await connection.scalar(
            select(payment_operations.c.due_at).where(
                payment_operations.c.order_id == placed[0].order.id
            )
        )
    assert due_at is not None
    assert due_at > CLOCK.now()


async def test_of_many_claimers_in_two_processes_one_gets_each_operation(
    database: Database, operations: SqlPaymentOperations, other_database: Database
) -> None:
    placed = [a_placed(due=-MINUTE - number * timedelta(seconds=1)) for number in range(80)]
    await save(database, *placed)
    refunds = await save_paid(database, [100] * 9)
    other = SqlPaymentOperations(other_database, CLOCK)
    claimed: list[UUID] = []

    async def keep_claiming(through: SqlPaymentOperations) -> None:
        while batch := await claim(through, limit=7):
            claimed.extend(work.operation.id for work in batch)

    async with asyncio.TaskGroup() as group:
        for through in [operations, other] * 4:
            group.create_task(keep_claiming(through))
    # What somebody else held locked may have been passed over by all.
    await keep_claiming(operations)
    expected = {*refunds, *(change.operation.id for change in placed if change.operation)}
    assert len(claimed) == len(expected)
    assert set(claimed) == expected


async def test_what_is_claimed_is_claimed_again_when_its_lease_has_ended_and_not_before(
    database: Database, operations: SqlPaymentOperations, other_database: Database
) -> None:
    placed = a_placed()
    await save(database, placed)
    other = SqlPaymentOperations(other_database, CLOCK)
    first = await claim_one(operations)
    for through in (operations, other):
        assert await claim(through) == ()
    await time_passes(database, LEASE - MINUTE)
    assert await claim(other) == ()
    await time_passes(database, MINUTE)
    second = await claim_one(other)
    assert (second.id, second.fence, second.attempts) == (first.id, 2, 2)
    assert second.first_sent_at == first.first_sent_at
    history = await life_of(database, placed.order.id)
    assert history.order.version == 2


async def test_the_databases_clock_decides_and_not_the_workers(
    postgresql_database: Database,
) -> None:
    fast, slow = (
        SqlPaymentOperations(postgresql_database, FakeClock(CLOCK.now() + timedelta(days=days)))
        for days in (9, -9)
    )
    await save(postgresql_database, a_placed(), a_placed(due=MINUTE))
    assert len(await claim(slow)) == 1
    assert await claim(fast) == ()


async def test_what_another_transaction_holds_is_passed_over_and_not_waited_for(
    postgresql_database: Database,
) -> None:
    held, free = a_placed(), a_placed()
    await save(postgresql_database, held, free)
    operations = SqlPaymentOperations(postgresql_database, CLOCK)
    for table in (orders, payment_operations):
        key = table.c.id if table is orders else table.c.order_id
        lock = select(table).where(key == held.order.id).with_for_update()
        async with postgresql_database.transaction() as connection:
            await connection.execute(lock)
            claimed = await claim(operations)
        assert {work.order.id for work in claimed} <= {free.order.id}
    assert (await claim_one(operations)).order_id == held.order.id


async def test_an_operation_of_an_order_that_was_canceled_is_withdrawn_and_given_to_nobody(
    database: Database, operations: SqlPaymentOperations
) -> None:
    canceled, due = a_placed(), a_placed()
    order = replace(canceled.order, status=OrderStatus.CANCELED)
    await save(database, replace(canceled, order=order), due)
    (work,) = await claim(operations)
    assert work.order.id == due.order.id
    history = await life_of(database, order.id)
    assert history.order == order
    withdrawn = history.operations[0].operation
    assert (withdrawn.state, withdrawn.fence) == (OperationState.WITHDRAWN, 0)
    await time_passes(database, timedelta(days=1))
    assert order.id not in {work.order.id for work in await claim(operations)}


# Claiming one, due or not.


async def test_the_one_is_claimed_whether_it_is_due_or_not_and_no_other(
    database: Database, operations: SqlPaymentOperations
) -> None:
    wanted, later, due = a_placed(due=timedelta(days=400)), a_placed(due=MINUTE), a_placed()
    await save(database, wanted, later, due)
    assert wanted.operation is not None
    work = await operations.claim_one(wanted.operation.id, GATEWAY, take_for(LEASE))
    assert work is not None
    history = await life_of(database, wanted.order.id)
    assert (history.order, history.operations[0].operation) == (work.order, work.operation)
    assert (work.order.status, work.order.version) == (OrderStatus.PROCESSING, 2)
    claimed = work.operation
    assert (claimed.fence, claimed.lease_expires_at) == (1, claimed.updated_at + LEASE)
    for other in (later, due):
        assert other.operation is not None
        assert await now_of(database, other.operation) == other.operation


async def test_the_one_is_nobodys_where_it_is_not_there_or_another_gateways(
    database: Database, operations: SqlPaymentOperations
) -> None:
    elsewhere = a_placed(gateway="another")
    await save(database, elsewhere, a_placed())
    assert elsewhere.operation is not None
    for id_ in (elsewhere.operation.id, ids.new()):
        assert await operations.claim_one(id_, GATEWAY, take_for(LEASE)) is None
    assert await now_of(database, elsewhere.operation) == elsewhere.operation


async def test_the_one_is_refused_while_a_lease_is_live_and_its_late_result_is_dropped(
    database: Database, operations: SqlPaymentOperations, other_database: Database
) -> None:
    placed = a_placed()
    await save(database, placed)
    other = SqlPaymentOperations(other_database, CLOCK)
    first = await claim_one(operations)
    await time_passes(database, LEASE - MINUTE)
    before = await life_of(database, placed.order.id)
    for through in (operations, other):
        assert await through.claim_one(first.id, GATEWAY, take_for(LEASE)) is None
    assert await life_of(database, placed.order.id) == before
    await time_passes(database, MINUTE)
    second = await other.claim_one(first.id, GATEWAY, take_for(LEASE))
    assert second is not None
    assert (second.operation.fence, second.operation.first_sent_at) == (2, first.first_sent_at)
    assert await claim(operations) == ()
    assert not await operations.record(a_result(first))
    assert await other.record(a_result(second.operation, DECLINED))
    assert not await operations.record(a_result(first))
    history = await life_of(database, placed.order.id)
    assert history.order.status is OrderStatus.FAILED
    assert [attempt.number for attempt in history.operations[0].attempts] == [2]


async def test_the_one_is_left_alone_where_the_decision_is_not_to_take_it(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)
    assert placed.operation is not None

    def refuse(work: Work, now: datetime) -> Settlement:
        assert (work.operation, work.order) == (placed.operation, placed.order)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await operations.claim_one(placed.operation.id, GATEWAY, refuse)
    assert await now_of(database, placed.operation) == placed.operation
    # It is not put off either, as one is that spoils a batch.
    assert (await claim_one(operations)).id == placed.operation.id


async def test_of_many_who_claim_the_one_at_once_one_gets_it(
    database: Database, operations: SqlPaymentOperations, other_database: Database
) -> None:
    placed = a_placed()
    await save(database, placed)
    assert placed.operation is not None
    other = SqlPaymentOperations(other_database, CLOCK)
    claims = [
        through.claim_one(placed.operation.id, GATEWAY, take_for(LEASE))
        for through in [operations, other] * 5
    ]
    claimed = [work for work in await asyncio.gather(*claims) if work is not None]
    assert [work.operation.fence for work in claimed] == [1]
    assert await now_of(database, placed.operation) == claimed[0].operation


async def test_the_databases_clock_decides_whether_the_lease_of_the_one_is_live(
    postgresql_database: Database,
) -> None:
    await save(postgresql_database, a_placed())
    fast, slow = (
        SqlPaymentOperations(postgresql_database, FakeClock(CLOCK.now() + timedelta(days=days)))
        for days in (9, -9)
    )
    first = await claim_one(fast)
    assert await fast.claim_one(first.id, GATEWAY, take_for(LEASE)) is None
    await time_passes(postgresql_database, LEASE)
    assert await slow.claim_one(first.id, GATEWAY, take_for(LEASE)) is not None


async def test_the_one_is_not_waited_for_while_another_transaction_has_it_or_its_order(
    postgresql_database: Database, postgresql_url: str
) -> None:
    placed = a_placed()
    await save(postgresql_database, placed)
    assert placed.operation is not None
    patient = PoolLimits(lock_seconds=60, statement_seconds=60)
    async with closing(Database(postgresql_url, patient)) as database:
        operations = SqlPaymentOperations(database, CLOCK)
        for table in (orders, payment_operations):
            async with postgresql_database.transaction() as connection:
                await connection.execute(select(table).with_for_update())
                claiming = operations.claim_one(placed.operation.id, GATEWAY, take_for(LEASE))
                assert await claiming is None
        assert await operations.claim_one(placed.operation.id, GATEWAY, take_for(LEASE))


# Recording.


async def test_what_became_of_a_claim_is_saved_whole(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)
    claimed = await claim_one(operations)
    assert await operations.record(a_result(claimed))
    history = await life_of(database, placed.order.id)
    assert (history.order.status, history.order.captured) == (OrderStatus.PAID, euros(1000))
    assert history.order.payment_id == "pay"
    assert await told_by(history) == [
        EventType.ORDER_CREATED,
        EventType.ORDER_PROCESSING,
        EventType.ORDER_PAID,
    ]
    (tried,) = history.operations
    assert (tried.operation.state, tried.operation.is_claimed) == (OperationState.SUCCEEDED, False)
    (attempt,) = tried.attempts
    assert (attempt.number, attempt.outcome) == (1, "approved")
    assert attempt.started_at == claimed.updated_at <= attempt.ended_at
    await time_passes(database, timedelta(days=400))
    assert await claim(operations) == ()


async def test_a_decline_fails_the_order_and_says_why(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)
    assert await operations.record(a_result(await claim_one(operations), DECLINED))
    history = await life_of(database, placed.order.id)
    assert (history.order.status, history.order.failure) == (OrderStatus.FAILED, DECLINED.failure)
    assert history.operations[0].operation.failure == DECLINED.failure


async def test_an_unknown_outcome_leaves_the_order_alone_and_is_claimed_again_after_its_pause(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)
    claimed = await claim_one(operations)
    assert await operations.record(a_result(claimed, Unknown("timeout")))
    history = await life_of(database, placed.order.id)
    assert (history.order.status, history.order.version) == (OrderStatus.PROCESSING, 2)
    (tried,) = history.operations
    assert (tried.operation.state, tried.operation.problem) == (OperationState.UNKNOWN, "timeout")
    assert not tried.operation.is_claimed
    assert await claim(operations) == ()
    await time_passes(database, PAUSE)
    again = await claim_one(operations)
    assert (again.fence, again.attempts) == (2, 2)
    assert await operations.record(a_result(again))
    (tried,) = (await life_of(database, placed.order.id)).operations
    assert [attempt.outcome for attempt in tried.attempts] == ["unknown", "approved"]
    assert tried.operation.problem is None


async def test_of_very_many_attempts_the_last_are_kept(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = a_placed()
    await save(database, placed)

    def at_once(work: Work, now: datetime) -> Settlement:
        return Settlement(operation=work.operation.postpone(Unknown("timeout"), now, now))

    for _ in range(KEPT_ATTEMPTS + 3):
        result = a_result(await claim_one(operations), Unknown("timeout"))
        assert await operations.record(replace(result, settle=at_once))
    (tried,) = (await life_of(database, placed.order.id)).operations
    assert await attempts_of(database, tried.operation.id) == KEPT_ATTEMPTS
    assert tried.operation.attempts == KEPT_ATTEMPTS + 3
    assert tried.attempts[-1].number == KEPT_ATTEMPTS + 3


@pytest.mark.parametrize("clash", ["attempt", "event"])
async def test_a_result_that_cannot_be_saved_whole_leaves_nothing(
    database: Database, operations: SqlPaymentOperations, clash: str
) -> None:
    placed = a_placed()
    await save(database, placed)
    claimed = await claim_one(operations)
    before = await life_of(database, placed.order.id)
    result = a_result(claimed)
    if clash == "attempt":
        async with database.transaction() as connection:
            attempt = result.attempt(CLOCK.now())
            assert attempt is not None
            row = attempt_to_row(attempt)
            await connection.execute(insert(payment_attempts).values(row))
    else:

        def with_a_clash(work: Work, now: datetime) -> Settlement:
            moment = Moment(now=now, event_ids=(placed.event.id, ids.new()))
            approved = approval_of(claimed)
            return settle(work.operation, work.order, approved, pause=PAUSE, moment=moment)

        result = replace(result, settle=with_a_clash)
    with pytest.raises(IntegrityError):
        await operations.record(result)
    after = await life_of(database, placed.order.id)
    assert (after.order, after.events) == (before.order, before.events)
    assert after.operations[0].operation == claimed
    assert await attempts_of(database, claimed.id) == (1 if clash == "attempt" else 0)


@pytest.mark.parametrize("late", [None, DECLINED, Unknown("timeout")], ids=OUTCOMES)
async def test_a_claim_is_stale_when_somebody_has_claimed_the_operation_since(
    database: Database, operations: SqlPaymentOperations, late: Outcome | None
) -> None:
    placed = a_placed()
    await save(database, placed)
    first = await claim_one(operations)
    await time_passes(database, LEASE)
    second = await claim_one(operations)
    before = await life_of(database, placed.order.id)
    assert not await operations.record(a_result(first, late))
    assert await life_of(database, placed.order.id) == before
    assert await operations.record(a_result(second))
    assert not await operations.record(a_result(first, late))
    history = await life_of(database, placed.order.id)
    assert history.order.status is OrderStatus.PAID
    assert [attempt.number for attempt in history.operations[0].attempts] == [2]


async def test_a_claim_whose_lease_has_ended_counts_while_nobody_else_has_claimed(
    database: Database, operations: SqlPaymentOperations
) -> None:
    await save(database, a_placed())
    claimed = await claim_one(operations)
    await time_passes(database, 2 * LEASE)
    assert await operations.record(a_result(claimed))


@pytest.mark.parametrize("outcome", [None, DECLINED, Unknown("timeout")], ids=OUTCOMES)
async def test_the_same_result_again_is_harmless(
    database: Database,
    operations: SqlPaymentOperations,
    outcome: Outcome | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    placed = a_placed()
    await save(database, placed)
    result = a_result(await claim_one(operations), outcome)
    together = await asyncio.gather(*(operations.record(result) for _ in range(5)))
    assert together.count(True) == 1
    assert "singly" not in caplog.text
    before = await life_of(database, placed.order.id)
    assert not await operations.record(result)
    assert await life_of(database, placed.order.id) == before
    assert len(before.operations[0].attempts) == 1


async def test_the_same_result_through_two_processes_at_once_is_recorded_once(
    database: Database, operations: SqlPaymentOperations, other_database: Database
) -> None:
    placed = a_placed()
    await save(database, placed)
    other = SqlPaymentOperations(other_database, CLOCK)
    result = a_result(await claim_one(operations))
    recorded = await asyncio.gather(operations.record(result), other.record(result))
    assert sorted(recorded) == [False, True]
    history = await life_of(database, placed.order.id)
    assert len(history.operations[0].attempts) == 1


async def test_a_result_of_an_operation_that_is_not_there_is_stale(
    operations: SqlPaymentOperations,
) -> None:
    placed = a_placed()
    assert placed.operation is not None
    assert not await operations.record(a_result(placed.operation))


async def test_50_results_at_once_are_all_saved(
    database: Database, operations: SqlPaymentOperations
) -> None:
    placed = [a_placed() for _ in range(50)]
    await save(database, *placed)
    results = [a_result(work.operation) for work in await claim(operations)]
    assert await asyncio.gather(*map(operations.record, results)) == [True] * 50
    for change in placed:
        history = await life_of(database, change.order.id)
        assert (history.order.status, history.order.version) == (OrderStatus.PAID, 3)
        assert len(history.operations[0].attempts) == 1


async def test_a_result_that_cannot_be_settled_spoils_nobody_elses(
    database: Database, operations: SqlPaymentOperations
) -> None:
    await save(database, *(a_placed() for _ in range(10)))
    claimed = [work.operation for work in await claim(operations)]
    results = [a_result(operation) for operation in claimed]

    def broken(work: Work, now: datetime) -> Settlement:
        raise ZeroDivisionError

    results[4] = replace(results[4], settle=broken)
    recorded = await asyncio.gather(*map(operations.record, results), return_exceptions=True)
    assert isinstance(recorded.pop(4), ZeroDivisionError)
    assert recorded == [True] * 9
    assert await now_of(database, claimed[4]) == claimed[4]


async def test_refunds_of_one_order_are_all_recorded_though_they_come_at_once(
    database: Database,
    operations: SqlPaymentOperations,
    other_database: Database,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await save_paid(database, [100, 150, 200, 50, 250])
    claimed = [work.operation for work in await claim(operations)]
    assert len(claimed) == 5
    other = SqlPaymentOperations(other_database, CLOCK)
    recorded = await asyncio.gather(
        *(
            (operations, other)[number % 2].record(a_result(operation))
            for number, operation in enumerate(claimed)
        )
    )
    assert recorded == [True] * 5
    # Each goes on from the one before: that they clash is not found out by the database.
    assert "singly" not in caplog.text
    history = await life_of(database, claimed[0].order_id)
    assert (history.order.refunded, history.order.refunding) == (euros(750), euros(0))
    told = await told_by(history)
    assert told.count(EventType.ORDER_REFUNDED) == told.count(EventType.REFUND_SUCCEEDED) == 5


# Recording while an integrator's request changes the same order.


async def test_a_recording_and_a_request_at_the_same_time_both_survive(
    database: Database, operations: SqlPaymentOperations, other_database: Database
) -> None:
    for _ in range(10):
        await save_paid(database, [300])
    works = await claim(operations)
    assert len(works) == 10
    recorded = asyncio.gather(*(operations.record(a_result(work.operation)) for work in works))
    asked = asyncio.gather(*(ask_for_refund(other_database, work.order, 450) for work in works))
    assert await recorded == [True] * 10
    assert len(set(await asked)) == 10
    for work in works:
        history = await life_of(database, work.order.id)
        assert (history.order.refunded, history.order.refunding) == (euros(300), euros(450))
        states = [tried.operation.state for tried in history.operations]
        assert sorted(states) == ["pending", "succeeded", "succeeded"]


async def test_a_recording_that_waits_for_a_request_builds_on_what_the_request_made(
    postgresql_database: Database, postgresql_url: str
) -> None:
    operations = SqlPaymentOperations(postgresql_database, CLOCK)
    await save_paid(postgresql_database, [300])
    (work,) = await claim(operations)
    change = work.order.request_refund(euros(450), None, an_asking())
    record = a_record(work.order.merchant_id, "another key", change=change)
    rows = rows_of(record, present(postgresql_database, CLOCK))
    async with (
        closing(Database(postgresql_url)) as onlooker,
        postgresql_database.transaction() as request,
    ):
        for statement in rows.changed:
            await request.execute(statement)
        for table, row in rows.made:
            await request.execute(insert(table).values(row))
        recording = asyncio.create_task(operations.record(a_result(work.operation)))
        while not await is_somebody_blocked(onlooker):
            assert not recording.done()
    assert await recording
    history = await life_of(postgresql_database, work.order.id)
    assert history.order.version == change.order.version + 2
    assert (history.order.refunded, history.order.refunding) == (euros(300), euros(450))


async def test_a_late_result_that_waits_for_another_claim_is_stale_when_that_is_made(
    postgresql_database: Database, postgresql_url: str
) -> None:
    operations = SqlPaymentOperations(postgresql_database, CLOCK)
    await save(postgresql_database, a_placed())
    first = await claim_one(operations)
    second = first.claim(lease=LEASE, now=first.updated_at + LEASE)
    values = operation_to_row(second)
    async with (
        closing(Database(postgresql_url)) as onlooker,
        postgresql_database.transaction() as claiming,
    ):
        await claiming.execute(update(payment_operations).values(values))
        recording = asyncio.create_task(operations.record(a_result(first, Unknown("timeout"))))
        while not await is_somebody_blocked(onlooker):
            assert not recording.done()
    assert not await recording
    assert await now_of(postgresql_database, first) == second
    assert await attempts_of(postgresql_database, first.id) == 0


async def is_somebody_blocked(database: Database) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with database.statement() as connection:
        return bool(await connection.scalar(query))


# Authorizations that are held.


async def hold(
    database: Database, operations: SqlPaymentOperations, expires_at: datetime | None = None
) -> Work:
    """An order that was authorized until then, by default for a week."""
    placed = a_placed(method=CaptureMethod.MANUAL)
    await save(database, placed)
    claimed = await claim_one(operations)
    until = expires_at or CLOCK.now() + timedelta(days=7)
    assert await operations.record(a_result(claimed, approval_of(claimed, expires_at=until)))
    history = await life_of(database, placed.order.id)
    return Work(operation=history.operations[0].operation, order=history.order)


async def test_an_authorization_is_held_and_looked_at_when_it_lapses(
    database: Database, operations: SqlPaymentOperations
) -> None:
    held = await hold(database, operations)
    assert held.order.status is OrderStatus.AUTHORIZED
    assert held.operation.state is OperationState.HELD
    assert not held.operation.is_claimed
    await time_passes(database, timedelta(days=6))
    assert await claim(operations) == ()
    await time_passes(database, timedelta(days=1))
    (work,) = await claim(operations)
    assert work.order == held.order
    looked_at = work.operation
    assert (looked_at.state, looked_at.fence, looked_at.attempts) == (OperationState.HELD, 2, 1)
    assert await claim(operations) == ()
    expired = Declined(Failure(code="authorization_expired", message="It has lapsed."))
    assert await operations.record(a_result(looked_at, expired))
    history = await life_of(database, held.order.id)
    assert (history.order.status, history.order.failure) == (OrderStatus.FAILED, expired.failure)


async def test_an_authorization_that_still_stands_is_held_on(
    database: Database, operations: SqlPaymentOperations
) -> None:
    held = await hold(database, operations)
    await time_passes(database, timedelta(days=7))
    looked_at = await claim_one(operations)
    later = CLOCK.now() + timedelta(days=1)
    assert await operations.record(a_result(looked_at, approval_of(looked_at, expires_at=later)))
    history = await life_of(database, held.order.id)
    assert history.order == held.order
    operation = history.operations[0].operation
    assert (operation.state, operation.due_at) == (OperationState.HELD, later)


@pytest.mark.parametrize(
    ("status", "state", "is_open"),
    [
        (OrderStatus.PAID, OperationState.SUCCEEDED, False),
        (OrderStatus.CANCELED, OperationState.SUCCEEDED, False),
        (OrderStatus.PROCESSING, OperationState.HELD, True),
    ],
)
async def test_an_authorization_is_watched_no_longer_than_it_can_lapse(
    database: Database,
    operations: SqlPaymentOperations,
    status: OrderStatus,
    state: OperationState,
    is_open: bool,
) -> None:
    held = await hold(database, operations)
    async with database.transaction() as connection:
        await connection.execute(update(orders).values(status=status.value))
    await time_passes(database, timedelta(days=7))
    assert await claim(operations) == ()
    operation = await now_of(database, held.operation)
    assert (operation.state, operation.fence) == (state, held.operation.fence)
    assert (operation.due_at > CLOCK.now()) is is_open


# Faults.


NOWHERE = "postgresql+asyncpg://harbor@127.0.0.1:1/harbor"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_database_that_cannot_work_is_unavailable(
    kind: str, sqlite_databases: SqliteDatabases
) -> None:
    placed = a_placed()
    assert placed.operation is not None
    async with (
        sqlite_databases.fresh(migrated=False) as empty,
        closing(Database(empty if kind == "sqlite" else NOWHERE)) as database,
    ):
        operations = SqlPaymentOperations(database, CLOCK)
        with pytest.raises(StorageUnavailable):
            await claim(operations)
        results = [a_result(placed.operation)] * 3
        recorded = await asyncio.gather(*map(operations.record, results), return_exceptions=True)
        assert [type(each) for each in recorded] == [StorageUnavailable] * 3


class CommitCutter:
    """Stands between Harbor and PostgreSQL and cuts the connection at the commit: instead of
    passing it on, or instead of delivering its answer. Then lets nobody through if `and_closes`."""

    def __init__(self, url: str, *, cuts: int, before: bool, and_closes: bool = False) -> None:
        self._to = make_url(url)
        self.cuts = cuts
        self._before = before
        self._and_closes = and_closes
        self._closed = False

    @asynccontextmanager
    async def between(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            yield self._to.set(port=port).render_as_string(hide_password=False)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.close()
            return
        there, away = await asyncio.open_connection(self._to.host, self._to.port)
        back = asyncio.create_task(self._pass_on(there, writer))
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if b"COMMIT;" in data and self.cuts:
                    self.cuts -= 1
                    self._closed = self._and_closes
                    back.cancel()
                    if not self._before:
                        await asyncio.wait([back])
                        away.write(data)
                        assert b"COMMIT" in await there.read(65_536)
                    break
                away.write(data)
        away.close()
        writer.close()
        with suppress(asyncio.CancelledError):
            await back

    async def _pass_on(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await there.read(65_536):
                writer.write(data)
        writer.close()


@pytest.mark.parametrize("cuts", [1, 2])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_connection_cut_at_the_commit_never_records_twice(
    postgresql_url: str, postgresql_database: Database, cuts: int, before: bool
) -> None:
    placed = a_placed()
    await save(postgresql_database, placed)
    claimed = await claim_one(SqlPaymentOperations(postgresql_database, CLOCK))
    cutter = CommitCutter(postgresql_url, cuts=cuts, before=before)
    async with cutter.between() as url, closing(Database(url)) as database:
        recorded = await SqlPaymentOperations(database, CLOCK).record(a_result(claimed))
    # What was committed unheard is found to have ended.
    assert recorded is before
    assert cutter.cuts == 0
    history = await life_of(postgresql_database, placed.order.id)
    assert (history.order.status, history.order.version) == (OrderStatus.PAID, 3)
    assert len(history.operations[0].attempts) == 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_recording_that_cannot_be_followed_up_is_unavailable_and_again_is_harmless(
    postgresql_url: str, postgresql_database: Database, before: bool
) -> None:
    placed = a_placed()
    await save(postgresql_database, placed)
    operations = SqlPaymentOperations(postgresql_database, CLOCK)
    result = a_result(await claim_one(operations))
    cutter = CommitCutter(postgresql_url, cuts=1, before=before, and_closes=True)
    async with cutter.between() as url, closing(Database(url)) as database:
        with pytest.raises(StorageUnavailable):
            await SqlPaymentOperations(database, CLOCK).record(result)
    assert await operations.record(result) is before
    history = await life_of(postgresql_database, placed.order.id)
    assert (history.order.status, history.order.version) == (OrderStatus.PAID, 3)
    assert len(history.operations[0].attempts) == 1


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_claim_whose_commit_is_cut_is_unavailable_and_free_again_in_time(
    postgresql_url: str, postgresql_database: Database, before: bool
) -> None:
    placed = a_placed()
    await save(postgresql_database, placed)
    operations = SqlPaymentOperations(postgresql_database, CLOCK)
    cutter = CommitCutter(postgresql_url, cuts=1, before=before)
    async with cutter.between() as url, closing(Database(url)) as database:
        with pytest.raises(StorageUnavailable):
            await claim(SqlPaymentOperations(database, CLOCK))
    assert len(await claim(operations)) == before
    await time_passes(postgresql_database, LEASE)
    assert (await claim_one(operations)).fence == 2
    assert (await life_of(postgresql_database, placed.order.id)).order.version == 2
