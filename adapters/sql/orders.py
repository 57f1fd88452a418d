"""Reading orders."""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.keyset import after_position, to_page
from adapters.sql.reads import read
from adapters.sql.rows import row_to_order
from adapters.sql.tables import orders
from application.pages import Page, Position
from application.ports.orders import OrderFilter, Orders
from domain.order import Order


class SqlOrders(Orders):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, merchant_id: UUID, order_id: UUID) -> Order | None:
        statement = select(orders).where(
            orders.c.id == order_id, orders.c.merchant_id == merchant_id
        )

        async def query(connection: AsyncConnection) -> Order | None:
            row = (await connection.execute(statement)).mappings().one_or_none()
            return None if row is None else row_to_order(row)

        return await read(self._database, query)

    async def page(self, which: OrderFilter, after: Position | None, limit: int) -> Page[Order]:
        statement = (
            select(orders)
            .where(*_conditions(_narrowed(which, after)), *after_position(orders, after))
            .order_by(orders.c.created_at.desc(), orders.c.id.desc())
            .limit(limit + 1)
        )

        async def query(connection: AsyncConnection) -> Page[Order]:
            rows = (await connection.execute(statement)).mappings()
            return to_page([row_to_order(row) for row in rows], limit)

        return await read(self._database, query)


def _narrowed(which: OrderFilter, after: Position | None) -> OrderFilter:
    """Without `created_before` where the position lies below it anyway: of two upper bounds SQLite
    begins at the first, and would read every page before this one."""
    if after is None or which.created_before is None or after.created_at >= which.created_before:
        return which
    return replace(which, created_before=None)


def _conditions(which: OrderFilter) -> list[ColumnElement[bool]]:
    conditions = [orders.c.merchant_id == which.merchant_id]
    if which.status is not None:
        conditions.append(orders.c.status == which.status.value)
    if which.customer_id is not None:
        conditions.append(orders.c.customer_id == which.customer_id)
    if which.invoice_id is not None:
        conditions.append(orders.c.invoice_id == which.invoice_id)
    if which.created_after is not None:
        conditions.append(orders.c.created_at > which.created_after)
    if which.created_before is not None:
        conditions.append(orders.c.created_at < which.created_before)
    return conditions
