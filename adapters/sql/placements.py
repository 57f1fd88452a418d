"""Many placed orders in one PostgreSQL statement.

Of the values that the four rows of a placement have, most stand in several rows, or are the same
for every new order. Each is sent once: those that differ from order to order as arrays, which
`unnest` makes rows of, the others singly for the whole batch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    String,
    Table,
    Text,
    bindparam,
    column,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from adapters.sql.recording import Row, Rows
from adapters.sql.statement import Statement
from adapters.sql.tables import idempotency_keys, order_events, orders, payment_operations

Getter = Callable[[Row], Any]

_TABLES: Final = (idempotency_keys, orders, payment_operations, order_events)
_LOCK_KEY: Final = "lock_key"
_KEY: Final = idempotency_keys.c
_ORDER: Final = orders.c
_OPERATION: Final = payment_operations.c
_EVENT: Final = order_events.c

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
"""A column, and the one that has its value in a placement."""

_ALIKE: Final = (
    *(_KEY.route, _KEY.fingerprint_version, _KEY.resource_type, _KEY.status, _KEY.sealed),
    *(_ORDER.status, _ORDER.captured_minor, _ORDER.refunded_minor, _ORDER.version),
    *(_ORDER.failure_code, _ORDER.failure_message),
    *(_OPERATION.state, _OPERATION.fence, _OPERATION.attempts),
    *(_OPERATION.first_sent_at, _OPERATION.lease_expires_at),
    *(_EVENT.type, _EVENT.order_version),
)
"""Columns that all orders of a batch have alike, in the order of the tables; an order that differs
in one goes into another batch."""

_EACH: Final = tuple(
    column
    for table in _TABLES
    for column in table.columns
    if column not in {*_SAME, *_ALIKE, _EVENT.data}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A recording that fits the statement: its rows in the order of the tables."""

    lock_key: int
    rows: tuple[Row, Row, Row, Row]
    kind: tuple[tuple[Any, ...], ...]
    """The values of the columns that a batch has alike, of each row."""

    @property
    def order_id(self) -> UUID:
        order_id: UUID = self.rows[0]["resource_id"]
        return order_id

    def as_rows(self) -> Rows:
        claim, *made = self.rows
        return Rows(claim=claim, made=list(zip(_TABLES[1:], made, strict=True)))


def placement_of(rows: Rows, lock_key: int) -> Placement | None:
    """None when it is another kind of change, or one whose columns do not agree as above."""
    if rows.changed or tuple(table for table, _ in rows.made) != _TABLES[1:]:
        return None
    _, order, operation, event = found = (rows.claim, *(row for _, row in rows.made))
    if any(own(found[here]) != same(found[there]) for here, own, there, same in _AGREEMENTS):
        return None
    if rows.document is not rows.claim["body"]:
        return None
    return Placement(
        lock_key=lock_key,
        rows=(rows.claim, order, operation, event),
        kind=tuple(alike(row) for alike, row in zip(_ALIKE_OF, found, strict=True)),
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
    alike = dict(zip(_ALIKE_NAMES, chain(*batch[0].kind), strict=True))
    if len(batch) == 1:
        (one,) = batch
        each = {name: one.rows[place][own] for name, place, own in _EACH_PLACES}
        return _INSERT_ONE, alike | each | {_LOCK_KEY: one.lock_key}
    found = [placement.rows for placement in batch]
    arrays = {name: [rows[place][own] for rows in found] for name, place, own in _EACH_PLACES}
    return _INSERT_MANY, alike | arrays | {_LOCK_KEY: [each.lock_key for each in batch]}


def _name(column: Column[Any]) -> str:
    return f"{column.table.name}_{column.name}"


def _agreements() -> Iterator[tuple[int, Getter, int, Getter]]:
    """Of each two rows that share values: which, and how to get those of the one and the other."""
    for here, there in product(_TABLES, _TABLES):
        shared = [(o, s) for o, s in _SAME.items() if o.table is here and s.table is there]
        if shared:
            own = itemgetter(*(column.name for column, _ in shared))
            same = itemgetter(*(column.name for _, column in shared))
            yield _TABLES.index(here), own, _TABLES.index(there), same


_AGREEMENTS: Final = tuple(_agreements())
_ALIKE_OF: Final[tuple[Getter, ...]] = tuple(
    itemgetter(*(column.name for column in _ALIKE if column.table is table)) for table in _TABLES
)
_ALIKE_NAMES: Final = [_name(column) for column in _ALIKE]
_EACH_PLACES: Final = [
    (_name(column), _TABLES.index(column.table), column.name) for column in _EACH
]


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
    arrays = [bindparam(name, type_=postgresql.ARRAY(kind)) for name, kind in _given_columns()]
    columns = [column(name, kind) for name, kind in _given_columns()]
    sent = func.unnest(*arrays).table_valued(*columns).render_derived()
    return select(sent, _taken(sent.c[_LOCK_KEY])).cte("given")


def _one() -> CTE:
    """A single order is spared the arrays, which are a tenth of its time."""
    sent = {name: bindparam(name, type_=kind) for name, kind in _given_columns()}
    columns = [parameter.label(name) for name, parameter in sent.items()]
    return select(*columns, _taken(sent[_LOCK_KEY])).cte("given")


def _taken(lock_key: ColumnElement[int]) -> ColumnElement[bool]:
    return func.pg_try_advisory_xact_lock(lock_key).label("held")


def _given_columns() -> list[tuple[str, TypeEngine[Any]]]:
    return [
        (_LOCK_KEY, BigInteger()),
        *((_name(each), _without_length(each)) for each in _EACH),
    ]


def _without_length(column: Column[Any]) -> TypeEngine[Any]:
    """A cast to varchar(n) would cut silently what the column refuses."""
    return Text() if isinstance(column.type, String) else column.type


def _insert(table: Table, given: CTE, condition: ColumnElement[bool]) -> postgresql.Insert:
    values = [_value(each, given).label(each.name) for each in table.columns]
    rows = select(*values).select_from(given).where(condition)
    return postgresql.insert(table).from_select([each.name for each in table.columns], rows)


def _value(of: Column[Any], given: CTE) -> ColumnElement[Any]:
    if of is _EVENT.data:
        # The event's document is the answer's body.
        return func.convert_from(given.c[_name(_KEY.body)], literal_column("'UTF8'"))
    if of in _ALIKE:
        return bindparam(_name(of), type_=of.type)
    return given.c[_name(_SAME.get(of, of))]


_INSERT_ONE: Final = _statement(_one())
_INSERT_MANY: Final = _statement(_many())
