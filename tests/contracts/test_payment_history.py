"""What `application/ports/payment_history.py` promises, over both databases."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert

from adapters.sql.database import Database
from adapters.sql.payment_history import SHOWN_ATTEMPTS, SqlPaymentHistory
from adapters.sql.rows import attempt_to_row, event_to_row, operation_to_row, order_to_row
from adapters.sql.tables import events, orders, payment_attempts, payment_operations
from application.pages import Position
from application.ports.faults import StorageUnavailable
from application.ports.payment_history import PaymentHistory, TriedOperation
from domain.event import EventType
from domain.order import Change, Order
from domain.payment import Attempt, OperationKind, OperationState, PaymentOperation
from tests.databases import SqliteDatabases, closing
from tests.examples import GATEWAY, a_placement, ids
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


@pytest.fixture
def history(database: Database) -> PaymentHistory:
    return SqlPaymentHistory(database)


def an_order(merchant_id: UUID | None = None) -> Change:
    return a_placement(merchant_id, str(ids.new()))


def an_operation(
    order: Order, kind: OperationKind = OperationKind.REFUND, at: datetime = NOW, **changes: Any
) -> PaymentOperation:
    operation = PaymentOperation(
        id=ids.new(),
        merchant_id=order.merchant_id,
        order_id=order.id,
        kind=kind,
        amount=order.request.amount,
        gateway=GATEWAY,
        due_at=at,
        created_at=at,
        updated_at=at,
    )
    return replace(operation, **changes)


def some_attempts(of: PaymentOperation, number: int) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            operation_id=of.id,
            merchant_id=of.merchant_id,
            number=each,
            started_at=NOW + each * SECOND,
            ended_at=NOW + (each + 1) * SECOND,
            outcome="unknown",
            code="timeout",
        )
        for each in range(1, number + 1)
    )


def made_at(moment: datetime) -> UUID:
    """An id as it would have been made then."""
    random = ids.new().int & (1 << 80) - 1
    return UUID(int=int(moment.timestamp() * 1000) << 80 | random)


async def save(
    database: Database,
    placed: Change,
    operations: Sequence[PaymentOperation] = (),
    attempts: Sequence[Attempt] = (),
) -> None:
    """The order with its first event, and these operations alone."""
    async with database.transaction() as connection:
        await connection.execute(insert(orders).values(order_to_row(placed.order)))
        await connection.execute(insert(events).values(event_to_row(placed.event, "{}")))
        for table, rows in (
            (payment_operations, [operation_to_row(each) for each in operations]),
            (payment_attempts, [attempt_to_row(each) for each in attempts]),
        ):
            if rows:
                await connection.execute(insert(table), rows)


def untried(operations: Sequence[PaymentOperation]) -> tuple[TriedOperation, ...]:
    return tuple(TriedOperation(operation=each, attempts=()) for each in operations)


async def walk(
    history: PaymentHistory, order: Order, kind: OperationKind | None, limit: int
) -> list[TriedOperation]:
    found: list[TriedOperation] = []
    after: Position | None = None
    while True:
        page = await history.page(order.merchant_id, order.id, kind, after, limit)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        assert len(page.items) == limit
        after = page.next


# What a merchant asks.


async def test_an_own_operation_is_there_as_it_was_saved(
    database: Database, history: PaymentHistory
) -> None:
    placed = an_order()
    operations = [an_operation(placed.order, kind) for kind in OperationKind]
    await save(database, placed, operations)
    for operation in operations:
        assert await history.operation(operation.merchant_id, operation.id) == operation


async def test_an_unknown_id_and_another_merchants_cannot_be_told_apart(
    database: Database, history: PaymentHistory
) -> None:
    own, strange = an_order(), an_order()
    operation = an_operation(own.order)
    await save(database, own, [operation])
    await save(database, strange, [an_operation(strange.order)])
    stranger = strange.order.merchant_id
    assert await history.operation(own.order.merchant_id, ids.new()) is None
    assert await history.operation(stranger, operation.id) is None
    for merchant_id, order_id in (
        (stranger, own.order.id),
        (own.order.merchant_id, ids.new()),
    ):
        page = await history.page(merchant_id, order_id, None, None, 10)
        assert (page.items, page.next) == ((), None)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_walking_page_by_page_is_the_whole_list_newest_first(
    database: Database, history: PaymentHistory, limit: int
) -> None:
    placed, other = an_order(), an_order()
    # Three of each moment, so that there are ties.
    operations = [an_operation(placed.order, at=NOW + (n // 3) * SECOND) for n in range(9)]
    await save(database, placed, operations)
    await save(database, other, [an_operation(other.order)])
    by_age = sorted(operations, key=lambda each: (each.created_at, each.id), reverse=True)
    assert tuple(await walk(history, placed.order, None, limit)) == untried(by_age)


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_a_kind_shows_nothing_else(
    database: Database, history: PaymentHistory, limit: int
) -> None:
    placed = an_order()
    operations = [
        an_operation(placed.order, kind, NOW + number * SECOND)
        for number in range(3)
        for kind in OperationKind
    ]
    await save(database, placed, operations)
    for kind in OperationKind:
        wanted = [each for each in reversed(operations) if each.kind is kind]
        assert tuple(await walk(history, placed.order, kind, limit)) == untried(wanted)


async def test_a_page_that_holds_all_is_the_last(
    database: Database, history: PaymentHistory
) -> None:
    placed = an_order()
    await save(database, placed, [an_operation(placed.order) for _ in range(3)])
    merchant_id, order_id = placed.order.merchant_id, placed.order.id
    assert (await history.page(merchant_id, order_id, None, None, 3)).next is None
    assert (await history.page(merchant_id, order_id, None, None, 2)).next is not None


async def test_each_operation_comes_with_its_attempts_the_first_one_first(
    database: Database, history: PaymentHistory
) -> None:
    placed = an_order()
    operations = [an_operation(placed.order) for _ in range(3)]
    attempts = [some_attempts(each, number) for number, each in enumerate(operations)]
    await save(database, placed, operations, [each for some in attempts for each in some])
    expected = [
        TriedOperation(operation=each, attempts=some)
        for each, some in zip(operations, attempts, strict=True)
    ]
    assert await walk(history, placed.order, None, 10) == expected[::-1]


async def test_of_very_many_attempts_the_last_are_shown(
    database: Database, history: PaymentHistory
) -> None:
    placed = an_order()
    much_tried, little_tried = an_operation(placed.order), an_operation(placed.order)
    many, few = some_attempts(much_tried, 35), some_attempts(little_tried, 2)
    await save(database, placed, [much_tried, little_tried], [*many, *few])
    assert SHOWN_ATTEMPTS == 20
    page = await history.page(placed.order.merchant_id, placed.order.id, None, None, 10)
    assert [each.attempts for each in page.items] == [few, many[-20:]]
    whole = await history.of_order(placed.order.id)
    assert whole is not None
    assert [each.attempts for each in whole.operations] == [many[-20:], few]


# What operators ask.


async def test_the_history_of_an_order_has_all_of_it_in_the_order_in_which_it_came(
    database: Database, history: PaymentHistory
) -> None:
    placed, other = an_order(), an_order()
    operations = [an_operation(placed.order) for _ in range(3)]
    attempts = some_attempts(operations[1], 2)
    await save(database, placed, operations, attempts)
    await save(database, other, [an_operation(other.order)])
    later = [
        replace(placed.event, id=ids.new(), order_version=version, type=kind)
        for version, kind in ((3, EventType.ORDER_PAID), (2, EventType.ORDER_PROCESSING))
    ]
    async with database.transaction() as connection:
        rows = [event_to_row(each, "{}") for each in later]
        await connection.execute(insert(events), rows)
    found = await history.of_order(placed.order.id)
    assert found is not None
    assert found.order == placed.order
    assert found.events == (placed.event, later[1], later[0])
    assert [each.operation for each in found.operations] == operations
    assert [each.attempts for each in found.operations] == [(), attempts, ()]


async def test_an_order_that_is_not_there_has_no_history(history: PaymentHistory) -> None:
    assert await history.of_order(ids.new()) is None


async def test_what_is_unsettled_for_long_is_found_of_all_merchants_the_oldest_first(
    database: Database, history: PaymentHistory
) -> None:
    placed = [an_order(), an_order()]
    open_states = (OperationState.PENDING, OperationState.UNKNOWN)
    waiting = [
        an_operation(
            placed[number % 2].order, at=NOW - number * SECOND, state=open_states[number % 2]
        )
        for number in (3, 1, 4, 2, 0)
    ]
    ended = [
        an_operation(placed[0].order, at=NOW - 9 * SECOND, state=state)
        for state in OperationState
        if state not in open_states
    ]
    for each in placed:
        own = [operation for operation in waiting + ended if operation.order_id == each.order.id]
        await save(database, each, own)
    oldest_first = sorted(waiting, key=lambda each: each.created_at)
    assert list(await history.unsettled(NOW, 100)) == oldest_first[:4]
    assert list(await history.unsettled(NOW + SECOND, 100)) == oldest_first
    assert list(await history.unsettled(NOW, 2)) == oldest_first[:2]
    assert list(await history.unsettled(NOW - 4 * SECOND, 2)) == []


async def test_of_many_ids_those_are_found_that_there_are(
    database: Database, history: PaymentHistory
) -> None:
    placed = [an_order(), an_order()]
    operations = [an_operation(each.order) for each in placed for _ in range(5)]
    for number, each in enumerate(placed):
        await save(database, each, operations[5 * number : 5 * number + 5])
    wanted = [each.id for each in operations[1:8]] + [ids.new() for _ in range(993)]
    found = await history.with_ids(wanted)
    assert sorted(found, key=lambda each: each.id) == operations[1:8]
    assert list(await history.with_ids([])) == []


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
async def test_what_was_made_since_then_is_walked_in_the_order_of_the_ids(
    database: Database, history: PaymentHistory, limit: int
) -> None:
    placed = [an_order(), an_order()]
    operations = [
        an_operation(placed[number % 2].order, id=made_at(NOW + number // 2 * SECOND))
        for number in range(-6, 12)
    ]
    elsewhere = an_operation(placed[0].order, id=made_at(NOW + SECOND), gateway="another")
    for each in placed:
        own = [each_own for each_own in operations if each_own.order_id == each.order.id]
        await save(database, each, own)
    async with database.transaction() as connection:
        await connection.execute(insert(payment_operations).values(operation_to_row(elsewhere)))
    found: list[PaymentOperation] = []
    while page := await history.made_since(GATEWAY, NOW, found[-1].id if found else None, limit):
        assert len(page) <= limit
        found += page
    assert found == sorted(operations, key=lambda each: each.id)[6:]
    assert list(await history.made_since("another", NOW, None, limit)) == [elsewhere]
    assert list(await history.made_since(GATEWAY, NOW + 6 * SECOND, None, limit)) == []


# Faults.


NOWHERE = "postgresql+asyncpg://harbor@127.0.0.1:1/harbor"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_a_database_that_cannot_work_is_unavailable(
    kind: str, sqlite_databases: SqliteDatabases
) -> None:
    async with (
        sqlite_databases.fresh(migrated=False) as empty,
        closing(Database(empty if kind == "sqlite" else NOWHERE)) as database,
    ):
        history = SqlPaymentHistory(database)
        for asking in (
            history.operation(ids.new(), ids.new()),
            history.page(ids.new(), ids.new(), None, None, 1),
            history.of_order(ids.new()),
            history.unsettled(NOW, 1),
            history.with_ids([ids.new()]),
            history.made_since(GATEWAY, NOW, None, 1),
        ):
            with pytest.raises(StorageUnavailable):
                await asking
