"""The operations that wait for the gateway: claimed and recorded with both rows held still.

Each step locks an operation and its order, lets the domain decide, and writes what it decided, for
many at once in one transaction.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    delete,
    or_,
    select,
    update,
)

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.group_commit import GroupCommit, GroupLimits
from adapters.sql.many_rows import add_rows
from adapters.sql.present import present
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
    events,
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


def _save_of(table: Table, names: Iterable[str]) -> Update:
    """By primary key, whose values are the parameters `at_id` and `at_merchant_id`."""
    return (
        update(table)
        .where(table.c.id == bindparam("at_id"), table.c.merchant_id == bindparam("at_merchant_id"))
        .values({name: bindparam(name) for name in names})
    )


_WORK: Final = select(payment_operations, orders).join_from(
    payment_operations,
    orders,
    and_(
        orders.c.id == payment_operations.c.order_id,
        orders.c.merchant_id == payment_operations.c.merchant_id,
    ),
)
_OPERATION: Final = [column.name for column in payment_operations.columns]
_ORDER: Final = [column.name for column in orders.columns]
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
        now, columns = present(self._database, self._clock), payment_operations.c
        due = _WORK.where(OPEN, columns.gateway == gateway, columns.due_at <= now)
        first = due.order_by(columns.due_at).limit(limit)
        return await self._claim(first, now, lambda rows: _taken(decide, rows))

    async def claim_one(self, operation_id: UUID, gateway: str, decide: Decide) -> Work | None:
        now, columns = present(self._database, self._clock), payment_operations.c
        is_free = or_(columns.lease_expires_at.is_(None), columns.lease_expires_at <= now)
        one = _WORK.where(columns.id == operation_id, columns.gateway == gateway, is_free)
        claimed = await self._claim(
            one, now, lambda rows: [_decided(decide, row.work, row.now, {}) for row in rows]
        )
        return claimed[0] if claimed else None

    async def _claim(
        self,
        which: Select[Any],
        now: ColumnElement[Any],
        take: Callable[[Sequence["_Held"]], "Iterable[_Decided]"],
    ) -> Sequence[Work]:
        locked = which.add_columns(now).with_for_update(
            of=[payment_operations, orders], skip_locked=True
        )
        try:
            async with self._database.transaction() as connection:
                rows = [_held(row) for row in await connection.execute(locked)]
                taken = list(take(rows))
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
            _WORK.add_columns(present(self._database, self._clock))
            .where(payment_operations.c.id.in_(_padded(ids)))
            # In one order for all who lock several, which spares most of them to wait for each
            # other crosswise; the rest PostgreSQL finds after a second, and they are tried again.
            .order_by(payment_operations.c.order_id, payment_operations.c.id)
            .with_for_update(of=[payment_operations, orders])
        )
        async with self._database.transaction() as connection:
            rows = [_held(row) for row in await connection.execute(held)]
            settled = _settled([each.result for each in batch], rows)
            await _save(connection, list(settled.values()))
        return [settled.pop(_claim_of(each.result), None) is not None for each in batch]


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


class _Held(NamedTuple):
    """The rows of an operation and its order, which are held still since `now`."""

    operation: Row
    order: Row
    now: datetime

    @property
    def work(self) -> Work:
        return Work(operation=row_to_operation(self.operation), order=row_to_order(self.order))


def _held(row: Sequence[Any]) -> _Held:
    *values, now = row
    operation, order = values[: len(_OPERATION)], values[len(_OPERATION) :]
    return _Held(
        dict(zip(_OPERATION, operation, strict=True)), dict(zip(_ORDER, order, strict=True)), now
    )


def _taken(decide: Decide, rows: Iterable[_Held]) -> Iterator[_Decided]:
    """An operation that cannot be taken, for whatever reason, does not keep the others waiting."""
    latest: dict[UUID, Order] = {}
    for row in rows:
        try:
            yield _decided(decide, row.work, row.now, latest)
        except Exception:
            operation_id = str(row.operation["id"])
            _log.exception("an operation cannot be taken", extra={"operation_id": operation_id})


async def _put_off(
    connection: AsyncConnection, rows: Sequence[_Held], taken: Sequence[_Decided]
) -> None:
    """What cannot be taken would be the first of every batch."""
    ids = {each.work.operation.id for each in taken}
    spoiled = [
        {
            "at_id": row.operation["id"],
            "at_merchant_id": row.operation["merchant_id"],
            "due_at": row.now + _SPOILED_FOR,
        }
        for row in rows
        if row.operation["id"] not in ids
    ]
    if spoiled:
        await connection.execute(_PUT_OFF, spoiled)


def _claim_of(result: Result) -> tuple[UUID, int]:
    return result.claimed.id, result.claimed.fence


def _settled(results: Iterable[Result], rows: Iterable[_Held]) -> dict[tuple[UUID, int], _Decided]:
    """By claim; without those that are stale."""
    latest: dict[UUID, Order] = {}
    found = {row.operation["id"]: row for row in rows}
    settled: dict[tuple[UUID, int], _Decided] = {}
    for result in results:
        row = found.get(result.claimed.id)
        if row is None or not is_held_by(result.claimed, (work := row.work).operation):
            continue
        # Once: the next one of the batch that is about the same claim comes too late.
        del found[result.claimed.id]
        decided = _decided(result.settle, work, row.now, latest)
        settled[_claim_of(result)] = replace(decided, attempt=result.attempt(row.now))
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
    changes = [change for each in decided for change in each.changes]
    # Of several changes of one order the last one stands.
    orders_now = {change.order.id: change.order for change in changes}
    attempts = [attempt_to_row(each.attempt) for each in decided if each.attempt is not None]
    for statement, rows in (
        (_SAVE_OPERATION, [_operation_values(each.work.operation) for each in decided]),
        (_SAVE_ORDER, [_order_values(order) for order in orders_now.values()]),
        (_FORGET_ATTEMPTS, [_forgotten(row) for row in attempts if row["number"] > KEPT_ATTEMPTS]),
    ):
        if rows:
            await connection.execute(statement, rows)
    if changes:
        await add_rows(connection, events, [_event_row(change) for change in changes])
    if attempts:
        await add_rows(connection, payment_attempts, attempts)


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
