"""How a Record becomes rows, and the statements that save them under an idempotency key."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Table, Update, update

from adapters.sql.api_keys import retirement
from adapters.sql.deliveries import redelivery_updates
from adapters.sql.rows import (
    answer_to_row,
    api_key_to_row,
    event_to_row,
    operation_to_row,
    order_to_row,
)
from adapters.sql.tables import (
    api_keys,
    events,
    idempotency_keys,
    orders,
    payment_operations,
    webhook_endpoints,
)
from adapters.sql.webhook_endpoints import endpoint_update, room_for_endpoint
from adapters.sql.webhook_rows import endpoint_event_to_row, endpoint_to_row
from application.ports.idempotency import Record
from domain.delivery import Redelivery
from domain.event import EndpointEvent
from domain.merchant import ApiKeyChange
from domain.order import Change, Order
from domain.webhook import EndpointChange

Row = dict[str, Any]

CHANGING: Final = (
    *("status", "captured_minor", "refunded_minor", "refunding_minor"),
    *("failure_code", "failure_message", "payment_id", "version", "updated_at"),
)
"""The columns of an order that its verbs change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a record is in tables: the claim of the key, what it made, and what it changed. Each
    change says in its condition what it was made from; one that changes no row came too late."""

    claim: Row
    made: Sequence[tuple[Table, Row]]
    changed: Sequence[Update] = ()


def rows_of(record: Record, now: ColumnElement[Any]) -> Rows:
    """`now` is the present as the database tells it, by which things become due."""
    claim = answer_to_row(record.answer)
    match record.change:
        case Change():
            return _of_order(record, record.change, claim)
        case ApiKeyChange(issued=issued, retired=retired):
            changed = () if retired is None else (retirement(retired),)
            return Rows(claim=claim, made=[(api_keys, api_key_to_row(issued))], changed=changed)
        case EndpointChange(endpoint=endpoint) if endpoint.version > 1:
            return Rows(claim=claim, made=(), changed=(endpoint_update(endpoint),))
        case EndpointChange(endpoint=endpoint):
            made = [(webhook_endpoints, endpoint_to_row(endpoint))]
            return Rows(claim=claim, made=made, changed=room_for_endpoint(endpoint.merchant_id))
        case EndpointEvent():
            return Rows(claim=claim, made=[(events, endpoint_event_to_row(record.change))])
        case Redelivery():
            return Rows(claim=claim, made=(), changed=redelivery_updates(record.change, now))
        case never:
            assert_never(never)


def _of_order(record: Record, change: Change, claim: Row) -> Rows:
    order, operation = change.order, change.operation
    made = [(events, event_to_row(change.event, _document(record)))]
    if operation is not None:
        made.insert(0, (payment_operations, operation_to_row(operation)))
    if order.version > 1:
        return Rows(claim=claim, made=made, changed=(order_update(order),))
    return Rows(claim=claim, made=[(orders, order_to_row(order)), *made])


def order_update(order: Order) -> Update:
    """From the version before. Changes no row when somebody was faster."""
    row = order_to_row(order)
    return (
        update(orders)
        .where(
            orders.c.id == order.id,
            orders.c.merchant_id == order.merchant_id,
            orders.c.version == order.version - 1,
        )
        .values({name: row[name] for name in CHANGING})
    )


def _document(record: Record) -> str:
    if record.document is None:
        raise ValueError("the record of an order's change has the order's document")
    return record.document.decode()


def lock_key_of(merchant_id: UUID, key: str) -> int:
    """The number of the key's advisory lock: 64 bits, signed. Two keys that share one by chance
    only wait for each other."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=merchant_id.bytes).digest()
    return int.from_bytes(digest, signed=True)


def claim_insert(row: Row, *, on_postgresql: bool) -> Executable:
    """The claim alone, for where the statements run one by one in a transaction.
    Its row count says whether the claim was won."""
    # Imported when used: a process needs one of the two dialects.
    if on_postgresql:
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(idempotency_keys).values(row).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(idempotency_keys).values(row).on_conflict_do_nothing()
