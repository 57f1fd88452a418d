"""How a Record becomes rows, and the statements that save them under an idempotency key."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, assert_never
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Executable,
    Select,
    Table,
    Update,
    bindparam,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite

from adapters.sql.api_keys import retirement
from adapters.sql.rows import (
    answer_to_row,
    api_key_to_row,
    event_to_row,
    operation_to_row,
    order_to_row,
)
from adapters.sql.tables import (
    api_keys,
    idempotency_keys,
    order_events,
    orders,
    payment_operations,
)
from application.ports.idempotency import Record
from domain.merchant import ApiKeyChange
from domain.order import Change

Row = dict[str, Any]
LOCK_KEY: Final = "lock_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a record is in tables: the claim of the key, what it made, and what it changed. Each
    change says in its condition what it was made from; one that changes no row came too late."""

    claim: Row
    made: Sequence[tuple[Table, Row]]
    changed: Sequence[Update]


def rows_of(record: Record) -> Rows:
    claim = answer_to_row(record.answer)
    match record.change:
        case Change(order=order, event=event, operation=operation):
            made = [(orders, order_to_row(order)), (order_events, event_to_row(event, order))]
            if operation is not None:
                made.insert(1, (payment_operations, operation_to_row(operation)))
            return Rows(claim=claim, made=made, changed=())
        case ApiKeyChange(issued=issued, retired=retired):
            changed = () if retired is None else (retirement(retired),)
            return Rows(claim=claim, made=[(api_keys, api_key_to_row(issued))], changed=changed)
        case never:
            assert_never(never)


def lock_key_of(merchant_id: UUID, key: str) -> int:
    """The number of the key's advisory lock: 64 bits, signed. Two keys that share one by chance
    only wait for each other."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=merchant_id.bytes).digest()
    return int.from_bytes(digest, signed=True)


def parameters(rows: Rows, lock_key: int) -> dict[str, Any]:
    """The values for `claimed_insert`."""
    named = {LOCK_KEY: lock_key}
    for table, row in ((idempotency_keys, rows.claim), *rows.made):
        named |= {_name(table, column): value for column, value in row.items()}
    return named


@lru_cache(maxsize=32)
def claimed_insert(tables: tuple[Table, ...]) -> Executable:
    """One PostgreSQL statement, one round trip: take the key's lock without waiting, claim the
    key, and insert a row into each of `tables`, all of it only if lock and claim were won.

    Answers one row: `locked` (bool), `claimed` (0 or 1). Neither lock nor claim is waited for, so
    that duplicates never hold connections while another request commits.
    """
    lock = select(
        func.pg_try_advisory_xact_lock(bindparam(LOCK_KEY, type_=BigInteger)).label("held")
    ).cte("lock")
    claim = (
        postgresql.insert(idempotency_keys)
        .from_select(*_values_from(idempotency_keys, lock, lock.c.held))
        .on_conflict_do_nothing()
        .returning(idempotency_keys.c.resource_id)
        .cte("claim")
    )
    made = [
        postgresql.insert(table).from_select(*_values_from(table, claim)).cte(f"made_{table.name}")
        for table in tables
    ]
    claimed = select(func.count()).select_from(claim).scalar_subquery()
    return select(lock.c.held.label("locked"), claimed.label("claimed")).add_cte(*made)


def claim_insert(row: Row, *, on_postgresql: bool) -> Executable:
    """The claim alone, for where the statements run one by one in a transaction.
    Its row count says whether the claim was won."""
    if on_postgresql:
        return postgresql.insert(idempotency_keys).values(row).on_conflict_do_nothing()
    return sqlite.insert(idempotency_keys).values(row).on_conflict_do_nothing()


def _values_from(
    table: Table, source: CTE, *conditions: ColumnElement[bool]
) -> tuple[list[str], Select[Any]]:
    values = [
        type_coerce(bindparam(_name(table, column.name), type_=column.type), column.type).label(
            column.name
        )
        for column in table.columns
    ]
    names = [column.name for column in table.columns]
    return names, select(*values).select_from(source).where(*conditions)


def _name(table: Table, column: str) -> str:
    return f"{table.name}_{column}"
