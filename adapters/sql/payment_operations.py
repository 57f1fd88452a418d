"""The operations that wait for the gateway: claimed and recorded with both rows held still.

Each step locks an operation and its order, lets the domain decide, and writes what it decided, for
many at once in one transaction.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.group_commit import GroupCommit, GroupLimits
from adapters.sql.moment import Moment
from adapters.sql.recording import CHANGING
from adapters.sql.rows import (
    Row,
    attempt_to_row,
    event_to_row,
    operation_to_row,
    order_to_row,
    row_to_operation,
    row_to_order,
)
from adapters.sql.tables import (
    OPEN,
    order_events,
    orders,
    payment_attempts,
    payment_operations,
)
from adapters.sql.writes import TRIES
from application.order_document import order_json
from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from application.ports.payment_operations import Decide, PaymentOperations, Result, Work
from domain.order import Change, Order
from domain.payment import Attempt, PaymentOperation

_log = logging.getLogger("harbor.payments")

_TOGETHER: Final = GroupLimits(lanes=1, batch=64, waiting=10_000)

KEPT_ATTEMPTS: Final = 50
"""Of each operation, the last: a gateway that is away for a week must not fill the disk."""

_MOVING: Final = (
    *("payment_id", "state", "failure_code", "failure_message", "problem", "fence", "attempts"),
    *("due_at", "first_sent_at", "lease_expires_at", "updated_at"),
)
"""The columns of an operation that change; the rest is frozen when it is made."""


def _prefixed(table: Table) -> list[ColumnElement[Any]]:
    return [column.label(f"{table.name}_{column.name}") for column in table.columns]


def _save_of(table: Table, names: Iterable[str]) -> Update:
    """By primary key, whose values are the parameters `at_id` and `at_merchant_id`."""
    return (
        update(table)
        .where(table.c.id == bindparam("at_id"), table.c.merchant_id == bindparam("at_merchant_id"))
        .values({name: bindparam(name) for name in names})
    )


_WORK: Final = select(*_prefixed(payment_operations), *_prefixed(orders)).join_from(
    payment_operations,
    orders,
    and_(
        orders.c.id == payment_operations.c.order_id,
        orders.c.merchant_id == payment_operations.c.merchant_id,
    ),
)
_SAVE_OPERATION: Final = _save_of(payment_operations, _MOVING)
_SAVE_ORDER: Final = _save_of(orders, CHANGING)
_PUT_OFF: Final = _save_of(payment_operations, ["due_at"])
_SPOILED_FOR: Final = timedelta(minutes=5)
_FORGET_ATTEMPTS: Final = delete(payment_attempts).where(
    payment_attempts.c.operation_id == bindparam("at_id"),
    payment_attempts.c.number <= bindparam("last_number"),
    payment_attempts.c.merchant_id == bindparam("at_merchant_id"),
)


@dataclass(frozen=True, slots=True)
class _Recording:
    """A result on its way into a batch; any two go together."""

    result: Result
    kind: None = None


class SqlPaymentOperations(PaymentOperations):
    """On PostgreSQL rows are locked, and claims pass over what is locked; SQLite has one writer."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._records = GroupCommit(self._record_together, self._record_alone, _TOGETHER, clock)

    async def claim(self, gateway: str, decide: Decide, limit: int) -> Sequence[Work]:
        now = self._now()
        due = (
            _WORK.add_columns(now.label("now"))
            .where(
                OPEN,
                payment_operations.c.gateway == gateway,
                payment_operations.c.due_at <= now,
            )
            .order_by(payment_operations.c.due_at)
            .limit(limit)
            .with_for_update(of=[payment_operations, orders], skip_locked=True)
        )
        try:
            async with self._database.transaction() as connection:
                rows = (await connection.execute(due)).mappings().all()
                taken = list(_taken(decide, rows))
                await _save(connection, taken)
                await _put_off(connection, rows, taken)
        except TransactionConflict:
            return ()
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error
        return tuple(each.work for each in taken if each.work.operation.is_claimed)

    async def record(self, result: Result) -> bool:
        fault: Exception | None = None
        for _ in range(TRIES):
            try:
                return await self._records.write(_Recording(result))
            except (ConnectionLost, TransactionConflict) as error:
                # It may have been saved. Then it is found to have ended, which is as good.
                fault = error
        raise StorageUnavailable("The database was too busy or went away.") from fault

    async def drain(self) -> None:
        """Wait until every recording that was begun has ended."""
        await self._records.drain()

    async def _record_alone(self, recording: _Recording) -> bool:
        (recorded,) = await self._record_together([recording])
        return recorded

    async def _record_together(self, batch: Sequence[_Recording]) -> list[bool]:
        ids = [each.result.claimed.id for each in batch]
        held = (
            _WORK.add_columns(self._now().label("now"))
            .where(payment_operations.c.id.in_(_padded(ids)))
            # One order for all who lock several, so that none waits for another that waits for it.
            .order_by(payment_operations.c.order_id, payment_operations.c.id)
            .with_for_update(of=[payment_operations, orders])
        )
        async with self._database.transaction() as connection:
            rows = (await connection.execute(held)).mappings().all()
            settled = _settled([each.result for each in batch], rows)
            await _save(connection, list(settled.values()))
        return [settled.pop(each.result.claimed.id, None) is not None for each in batch]

    def _now(self) -> ColumnElement[Any]:
        """Of the database where it has a clock of its own that others go by."""
        if self._database.is_postgresql:
            return func.statement_timestamp(type_=Moment)
        return literal(self._clock.now(), Moment)


def _padded(ids: Sequence[UUID]) -> list[UUID]:
    """To a power of two, for each length is a statement of its own, which is prepared and kept."""
    length = 1 << (len(ids) - 1).bit_length()
    return [*ids, *[ids[-1]] * (length - len(ids))]


@dataclass(frozen=True, slots=True)
class _Decided:
    """What became of a piece of work, and by what changes."""

    work: Work
    changes: tuple[Change, ...]
    attempt: Attempt | None = None


class _Part:
    """One table's columns of a row that has those of two."""

    def __init__(self, row: Row, table: Table) -> None:
        self._row = row
        self._prefix = f"{table.name}_"

    def __getitem__(self, name: str, /) -> Any:
        return self._row[self._prefix + name]


def _work(row: Row) -> Work:
    return Work(
        operation=row_to_operation(_Part(row, payment_operations)),
        order=row_to_order(_Part(row, orders)),
    )


def _taken(decide: Decide, rows: Iterable[Row]) -> Iterator[_Decided]:
    """An operation that cannot be taken, for whatever reason, does not keep the others waiting."""
    latest: dict[UUID, Order] = {}
    for row in rows:
        try:
            yield _decided(decide, _work(row), row["now"], latest)
        except Exception:
            operation_id = str(row["payment_operations_id"])
            _log.exception("an operation cannot be taken", extra={"operation_id": operation_id})


async def _put_off(
    connection: AsyncConnection, rows: Sequence[Row], taken: Sequence[_Decided]
) -> None:
    """What cannot be taken would be the first of every batch."""
    ids = {each.work.operation.id for each in taken}
    spoiled = [row for row in rows if row["payment_operations_id"] not in ids]
    if spoiled:
        values = [
            {
                "at_id": row["payment_operations_id"],
                "at_merchant_id": row["payment_operations_merchant_id"],
                "due_at": row["now"] + _SPOILED_FOR,
            }
            for row in spoiled
        ]
        await connection.execute(_PUT_OFF, values)


def _settled(results: Iterable[Result], rows: Iterable[Row]) -> dict[UUID, _Decided]:
    """By operation; without those whose claims are stale."""
    latest: dict[UUID, Order] = {}
    found = {row["payment_operations_id"]: row for row in rows}
    settled: dict[UUID, _Decided] = {}
    for result in results:
        row = found.pop(result.claimed.id, None)
        if row is None or not is_held_by(result.claimed, (work := _work(row)).operation):
            continue
        decided = _decided(result.settle, work, row["now"], latest)
        settled[result.claimed.id] = replace(decided, attempt=result.attempt(row["now"]))
    return settled


def _decided(decide: Decide, work: Work, now: datetime, latest: dict[UUID, Order]) -> _Decided:
    """`latest` has the orders as those before in the same transaction left them: of several refunds
    of one order each goes on from the one before."""
    work = replace(work, order=latest.get(work.order.id, work.order))
    settlement = decide(work, now)
    order = settlement.changes[-1].order if settlement.changes else work.order
    latest[order.id] = order
    return _Decided(Work(operation=settlement.operation, order=order), settlement.changes)


def is_held_by(claimed: PaymentOperation, now: PaymentOperation) -> bool:
    """The fence: whether the claim still is the operation's last, and has no result yet."""
    return now.fence == claimed.fence and now.is_claimed


async def _save(connection: AsyncConnection, decided: Sequence[_Decided]) -> None:
    changed = [each for each in decided if each.changes]
    attempts = [attempt_to_row(each.attempt) for each in decided if each.attempt is not None]
    events = [_event_row(change) for each in changed for change in each.changes]
    for statement, rows in (
        (_SAVE_OPERATION, [_operation_values(each.work.operation) for each in decided]),
        (_SAVE_ORDER, [_order_values(each.work.order) for each in changed]),
        (insert(order_events), events),
        (insert(payment_attempts), attempts),
        (_FORGET_ATTEMPTS, [_forgotten(row) for row in attempts if row["number"] > KEPT_ATTEMPTS]),
    ):
        if rows:
            await connection.execute(statement, rows)


def _operation_values(operation: PaymentOperation) -> dict[str, Any]:
    return _values(operation_to_row(operation), _MOVING)


def _order_values(order: Order) -> dict[str, Any]:
    return _values(order_to_row(order), CHANGING)


def _values(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    at = {"at_id": row["id"], "at_merchant_id": row["merchant_id"]}
    return at | {name: row[name] for name in names}


def _forgotten(attempt: Mapping[str, Any]) -> dict[str, Any]:
    """Those for which this one is too many."""
    return {
        "at_id": attempt["operation_id"],
        "last_number": attempt["number"] - KEPT_ATTEMPTS,
        "at_merchant_id": attempt["merchant_id"],
    }


def _event_row(change: Change) -> dict[str, Any]:
    return event_to_row(change.event, order_json(change.order))
