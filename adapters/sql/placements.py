"""Many placed orders in one PostgreSQL statement.

Of the values that the four rows of a placement have, most stand in several rows, or are the same
for every new order. Each is sent once: those that differ from order to order as arrays, which
`unnest` makes rows of, the others singly for the whole batch.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Table,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.types import TypeEngine

from adapters.sql.many_rows import kind_of, unnested
from adapters.sql.statement import Statement
from adapters.sql.tables import events, idempotency_keys, orders, payment_operations
from application.json_text import json_object_text
from application.ports.idempotency import Record
from domain.order import Change, Order
from domain.payment import PaymentOperation

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_TABLES: Final = (idempotency_keys, orders, payment_operations, events)
_LOCK_KEY: Final = "lock_key"
_KEY: Final = idempotency_keys.c
_ORDER: Final = orders.c
_OPERATION: Final = payment_operations.c
_EVENT: Final = events.c

_SAME: Final[Mapping[Column[Any], Column[Any]]] = {
    _ORDER.id: _KEY.resource_id,
    _ORDER.merchant_id: _KEY.merchant_id,
    _ORDER.idempotency_key: _KEY.key,
    _ORDER.created_at: _KEY.created_at,
    _ORDER.updated_at: _KEY.created_at,
    _OPERATION.merchant_id: _KEY.merchant_id,
    _OPERATION.order_id: _KEY.resource_id,
    _OPERATION.amount_minor: _ORDER.amount_minor,
    _OPERATION.currency: _ORDER.currency,
    _OPERATION.payment_method: _ORDER.payment_method,
    _OPERATION.due_at: _KEY.created_at,
    _OPERATION.created_at: _KEY.created_at,
    _OPERATION.updated_at: _KEY.created_at,
    _EVENT.merchant_id: _KEY.merchant_id,
    _EVENT.order_id: _KEY.resource_id,
    _EVENT.occurred_at: _KEY.created_at,
}
"""A column, and the one that has its value in a placement: `_agree` sees to it."""

_ALIKE: Final = (
    *(_KEY.route, _KEY.fingerprint_version, _KEY.resource_type, _KEY.status, _KEY.sealed),
    *(_ORDER.status, _ORDER.captured_minor, _ORDER.refunded_minor, _ORDER.version),
    *(_ORDER.failure_code, _ORDER.failure_message),
    *(_OPERATION.gateway, _OPERATION.state, _OPERATION.fence, _OPERATION.attempts),
    *(_OPERATION.first_sent_at, _OPERATION.lease_expires_at),
    *(_EVENT.type, _EVENT.order_version),
)
"""Columns that all orders of a batch have alike; one that differs in one goes into another."""

_LATER: Final = (
    *(_ORDER.refunding_minor, _ORDER.payment_id),
    *(_OPERATION.payment_id, _OPERATION.reason, _OPERATION.problem),
    *(_OPERATION.failure_code, _OPERATION.failure_message),
    *(_EVENT.sequence, _EVENT.endpoint_id),
)
"""Columns that a new order leaves to the database's defaults: `_has_no_past` sees to it."""

_EACH: Final = (
    *(_KEY.merchant_id, _KEY.key, _KEY.fingerprint, _KEY.members, _KEY.resource_id),
    *(_KEY.location, _KEY.body, _KEY.created_at, _KEY.expires_at),
    *(_ORDER.customer_id, _ORDER.amount_minor, _ORDER.currency, _ORDER.invoice_id),
    *(_ORDER.description, _ORDER.payment_method, _ORDER.capture_method, _ORDER.metadata),
    *(_ORDER.risk_score, _OPERATION.id, _OPERATION.kind, _EVENT.id),
)


class Placement(NamedTuple):
    """A recording that fits the statement."""

    record: Record
    lock_key: int
    each: tuple[Any, ...]
    """The lock's key, then the values of the columns of `_EACH`."""
    kind: tuple[Any, ...]
    """The values of the columns of `_ALIKE`."""


def placement_of(record: Record, lock_key: int) -> Placement | None:
    """None when it is another kind of change, or one whose columns do not agree as above."""
    answer, change = record.answer, record.change
    if not isinstance(change, Change) or change.operation is None or not _agree(record, change):
        return None
    order, operation, event = change.order, change.operation, change.event
    request, fingerprint, failure = order.request, answer.fingerprint, order.failure
    metadata = json_object_text(request.metadata)
    each = (
        *(lock_key, answer.merchant_id, answer.key, fingerprint.digest),
        *(fingerprint.members, answer.resource_id, answer.location, answer.body),
        *(answer.created_at, answer.expires_at, request.customer_id),
        *(request.amount.amount_minor, request.amount.currency, request.invoice_id),
        *(request.description, request.payment_method, request.capture_method),
        *(metadata, order.risk_score, operation.id, operation.kind, event.id),
    )
    kind = (
        *(answer.route, fingerprint.version, answer.resource_type, answer.status, answer.sealed),
        *(order.status, order.captured.amount_minor, order.refunded.amount_minor, order.version),
        *((None, None) if failure is None else (failure.code, failure.message)),
        *(operation.gateway, operation.state, operation.fence, operation.attempts),
        *(operation.first_sent_at, operation.lease_expires_at),
        *(event.type, event.order_version),
    )
    return Placement(record, lock_key, each, kind)


def _agree(record: Record, change: Change) -> bool:
    """Whether the four rows have in common what `_SAME` says, and the event the answer's body.
    What is the same is mostly one object, which Python sees first."""
    answer, order, operation, event = record.answer, change.order, change.operation, change.event
    merchant_id, order_id, moment = answer.merchant_id, answer.resource_id, answer.created_at
    return (
        record.document is answer.body
        and operation is not None
        and _has_no_past(order, operation)
        and (order.id, operation.order_id, event.order_id) == (order_id,) * 3
        and (order.merchant_id, operation.merchant_id, event.merchant_id) == (merchant_id,) * 3
        and order.idempotency_key == answer.key
        and order.request.amount == operation.amount
        and order.request.payment_method == operation.payment_method
        and (order.created_at, order.updated_at, event.occurred_at) == (moment,) * 3
        and (operation.due_at, operation.created_at, operation.updated_at) == (moment,) * 3
    )


def _has_no_past(order: Order, operation: PaymentOperation) -> bool:
    return (
        order.version == 1
        and order.payment_id is None
        and order.refunding.amount_minor == 0
        and operation.payment_id is None
        and operation.reason is None
        and operation.problem is None
        and operation.failure is None
    )


def insertion(batch: Sequence[Placement]) -> tuple[Statement, dict[str, Any]]:
    """The statement that inserts the batch, whose placements are all of one kind, and its values.

    In one round trip it takes each key's lock without waiting, claims the key, and inserts the
    order's rows, if lock and claim were won. Neither is waited for: two batches, in whatever
    processes, never stand in each other's way.

    It answers a row for each order that was not placed: its `order_id`; whether its key's lock was
    `held`, which it is not while somebody else works under the key; and the columns of the answer
    that stands under the key, null where none is visible yet.
    """
    alike = dict(zip(_ALIKE_NAMES, batch[0].kind, strict=True))
    if len(batch) == 1:
        return _insert_one(), alike | dict(zip(_EACH_NAMES, batch[0].each, strict=True))
    arrays = zip(*[placement.each for placement in batch], strict=True)
    return _insert_many(), alike | dict(zip(_EACH_NAMES, arrays, strict=True))


def _name(column: Column[Any]) -> str:
    return f"{column.table.name}_{column.name}"


_ALIKE_NAMES: Final = [_name(column) for column in _ALIKE]
_EACH_NAMES: Final = [_LOCK_KEY, *(_name(column) for column in _EACH)]


def _statement(given: CTE) -> Statement:
    """`given` has the lock's key, whether it is held, and the columns that differ."""
    claim = (
        _insert(idempotency_keys, given, given.c.held)
        .on_conflict_do_nothing()
        .returning(_KEY.resource_id)
        .cte("claim")
    )
    order_id = given.c[_name(_KEY.resource_id)]
    won = order_id.in_(select(claim.c.resource_id))
    made = [_insert(table, given, won).cte(f"made_{table.name}") for table in _TABLES[1:]]
    standing = _standing(given)
    return Statement(
        select(order_id.label("order_id"), given.c.held, *standing.columns)
        .select_from(given.outerjoin(standing, true()))
        .where(or_(not_(given.c.held), not_(won)))
        .add_cte(*made)
    )


def _standing(given: CTE) -> FromClause:
    """The limit keeps it a look into the index for each order, whatever the planner expects."""
    return (
        select(idempotency_keys)
        .where(
            _KEY.merchant_id == given.c[_name(_KEY.merchant_id)],
            _KEY.key == given.c[_name(_KEY.key)],
        )
        .limit(literal_column("1"))
        .lateral("standing")
    )


def _many() -> CTE:
    sent = unnested(_given_columns())
    return select(sent, _taken(sent.c[_LOCK_KEY])).cte("given")


def _one() -> CTE:
    """A single order is spared the arrays, which are a tenth of its time."""
    sent = {name: bindparam(name, type_=kind) for name, kind in _given_columns().items()}
    columns = [parameter.label(name) for name, parameter in sent.items()]
    return select(*columns, _taken(sent[_LOCK_KEY])).cte("given")


def _taken(lock_key: ColumnElement[int]) -> ColumnElement[bool]:
    return func.pg_try_advisory_xact_lock(lock_key).label("held")


def _given_columns() -> dict[str, TypeEngine[Any]]:
    return {_LOCK_KEY: BigInteger()} | {_name(each): kind_of(each) for each in _EACH}


def _insert(table: Table, given: CTE, condition: ColumnElement[bool]) -> "postgresql.Insert":
    # Imported when used: on SQLite a process does without PostgreSQL's dialect.
    from sqlalchemy.dialects import postgresql

    columns = [each for each in table.columns if each not in _LATER]
    values = [_value(each, given).label(each.name) for each in columns]
    rows = select(*values).select_from(given).where(condition)
    return postgresql.insert(table).from_select([each.name for each in columns], rows)


def _value(of: Column[Any], given: CTE) -> ColumnElement[Any]:
    if of is _EVENT.data:
        # The event's document is the answer's body.
        return func.convert_from(given.c[_name(_KEY.body)], literal_column("'UTF8'"))
    if of in _ALIKE:
        return bindparam(_name(of), type_=of.type)
    return given.c[_name(_SAME.get(of, of))]


@cache
def _insert_one() -> Statement:
    return _statement(_one())


@cache
def _insert_many() -> Statement:
    return _statement(_many())
