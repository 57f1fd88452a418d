"""Reading payment operations, attempts and events."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, Select, bindparam, func, or_, select

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.keyset import after_position, position_values, to_page
from adapters.sql.reads import fetch, read
from adapters.sql.rows import (
    Row,
    row_to_attempt,
    row_to_event,
    row_to_operation,
    row_to_order,
)
from adapters.sql.statement import Statement
from adapters.sql.tables import (
    OPEN,
    events,
    orders,
    payment_attempts,
    payment_operations,
)
from application.pages import Page, Position
from application.ports.payment_history import History, PaymentHistory, TriedOperation
from domain.payment import UNSETTLED, Attempt, OperationKind, PaymentOperation

SHOWN_ATTEMPTS: Final = 20
"""Of each operation, the last."""

_RANDOM_BITS: Final = 80
_OF_EVENTS: Final = [column for column in events.columns if column.name != "data"]
_OWN: Final = payment_operations.c.merchant_id == bindparam("merchant_id")
_GET: Final = Statement(
    select(payment_operations).where(payment_operations.c.id == bindparam("id"), _OWN)
)


def _page(*, of_a_kind: bool, continues: bool) -> Statement:
    query = select(payment_operations).where(
        payment_operations.c.order_id == bindparam("order_id"),
        _OWN,
        *after_position(payment_operations, continues=continues),
    )
    if of_a_kind:
        query = query.where(payment_operations.c.kind == bindparam("kind"))
    return Statement(
        query.order_by(
            payment_operations.c.created_at.desc(), payment_operations.c.id.desc()
        ).limit(bindparam("limit", type_=Integer))
    )


_PAGES: Final = {
    (of_a_kind, continues): _page(of_a_kind=of_a_kind, continues=continues)
    for of_a_kind in (False, True)
    for continues in (False, True)
}


class SqlPaymentHistory(PaymentHistory):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def operation(self, merchant_id: UUID, operation_id: UUID) -> PaymentOperation | None:
        values = {"id": operation_id, "merchant_id": merchant_id}
        rows = await fetch(self._database, _GET, values)
        return row_to_operation(rows[0]) if rows else None

    async def page(
        self,
        merchant_id: UUID,
        order_id: UUID,
        kind: OperationKind | None,
        after: Position | None,
        limit: int,
    ) -> Page[TriedOperation]:
        values: dict[str, Any] = {"merchant_id": merchant_id, "order_id": order_id}
        values |= {"limit": limit + 1} | position_values(after)
        if kind is not None:
            values["kind"] = kind.value
        statement = _PAGES[kind is not None, after is not None]
        rows = await fetch(self._database, statement, values)
        operations = [row_to_operation(row) for row in rows]

        async def query(connection: AsyncConnection) -> list[TriedOperation]:
            return await _tried(connection, operations)

        if kind is None and operations:
            return to_page(await read(self._database, query), limit)
        return to_page([TriedOperation(operation=each, attempts=()) for each in operations], limit)

    async def of_order(self, order_id: UUID) -> History | None:
        async def query(connection: AsyncConnection) -> History | None:
            found = await _all(connection, select(orders).where(orders.c.id == order_id))
            if not found:
                return None
            happened = select(*_OF_EVENTS).where(events.c.order_id == order_id)
            operations = select(payment_operations).where(payment_operations.c.order_id == order_id)
            told = await _all(connection, happened.order_by(events.c.order_version))
            asked = await _all(connection, operations.order_by(payment_operations.c.id))
            return History(
                order=row_to_order(found[0]),
                events=tuple(map(row_to_event, told)),
                operations=tuple(await _tried(connection, map(row_to_operation, asked))),
            )

        return await read(self._database, query)

    async def unsettled(self, before: datetime, limit: int) -> Sequence[PaymentOperation]:
        states = [state.value for state in UNSETTLED]
        return await self._operations(
            select(payment_operations)
            .where(
                OPEN,
                or_(
                    payment_operations.c.state.in_(states),
                    payment_operations.c.problem.is_not(None),
                ),
                payment_operations.c.created_at < before,
            )
            .order_by(payment_operations.c.created_at)
            .limit(limit)
        )

    async def with_ids(self, operation_ids: Sequence[UUID]) -> Sequence[PaymentOperation]:
        if not operation_ids:
            return ()
        return await self._operations(
            select(payment_operations).where(payment_operations.c.id.in_(operation_ids))
        )

    async def made_since(
        self, gateway: str, since: datetime, after: UUID | None, limit: int
    ) -> Sequence[PaymentOperation]:
        return await self._operations(
            select(payment_operations)
            .where(
                payment_operations.c.gateway == gateway,
                payment_operations.c.id > (after or _first_id_of(since)),
            )
            .order_by(payment_operations.c.id)
            .limit(limit)
        )

    async def _operations(self, query: Select[Any]) -> Sequence[PaymentOperation]:
        rows = await read(self._database, lambda connection: _all(connection, query))
        return [row_to_operation(row) for row in rows]


async def _all(connection: AsyncConnection, query: Select[Any]) -> Sequence[Row]:
    rows: Sequence[Row] = (await connection.execute(query)).mappings().all()
    return rows


async def _tried(
    connection: AsyncConnection, operations: Iterable[PaymentOperation]
) -> list[TriedOperation]:
    """With the last attempts of each."""
    asked = list(operations)
    ranked = (
        select(
            payment_attempts,
            func.row_number()
            .over(
                partition_by=payment_attempts.c.operation_id,
                order_by=payment_attempts.c.number.desc(),
            )
            .label("place"),
        )
        .where(payment_attempts.c.operation_id.in_([each.id for each in asked]))
        .subquery()
    )
    last = select(ranked).where(ranked.c.place <= SHOWN_ATTEMPTS).order_by(ranked.c.number)
    attempts: dict[UUID, list[Attempt]] = defaultdict(list)
    for row in await _all(connection, last):
        attempts[row["operation_id"]].append(row_to_attempt(row))
    return [TriedOperation(operation=each, attempts=tuple(attempts[each.id])) for each in asked]


def _first_id_of(moment: datetime) -> UUID:
    """The least UUIDv7 (RFC 9562) of that millisecond."""
    return UUID(int=int(moment.timestamp() * 1000) << _RANDOM_BITS)
