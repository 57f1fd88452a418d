"""Reading orders."""

from dataclasses import fields
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, bindparam, select

from adapters.sql.database import Database
from adapters.sql.keyset import after_position, position_values, to_page
from adapters.sql.reads import fetch
from adapters.sql.rows import row_to_listed_order, row_to_order
from adapters.sql.statement import Statement
from adapters.sql.tables import orders
from application.pages import Page, Position
from application.ports.orders import ListedOrder, OrderFilter, Orders
from domain.order import Order

_GET: Final = Statement(
    select(orders).where(
        orders.c.id == bindparam("id"), orders.c.merchant_id == bindparam("merchant_id")
    )
)
_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "merchant_id": orders.c.merchant_id == bindparam("merchant_id"),
    "status": orders.c.status == bindparam("status"),
    "customer_id": orders.c.customer_id == bindparam("customer_id"),
    "invoice_id": orders.c.invoice_id == bindparam("invoice_id"),
    "created_after": orders.c.created_at > bindparam("created_after"),
    "created_before": orders.c.created_at < bindparam("created_before"),
}
"""What each member of an OrderFilter asks for."""

_MEMBERS: Final = tuple(field.name for field in fields(OrderFilter))


class SqlOrders(Orders):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, merchant_id: UUID, order_id: UUID) -> Order | None:
        rows = await fetch(self._database, _GET, {"id": order_id, "merchant_id": merchant_id})
        return row_to_order(rows[0]) if rows else None

    async def page(
        self, which: OrderFilter, after: Position | None, limit: int
    ) -> Page[ListedOrder]:
        asked = _asked(which, after)
        statement = page_statement(tuple(asked), continues=after is not None)
        values = asked | position_values(after) | {"limit": limit + 1}
        rows = await fetch(self._database, statement, values)
        return to_page([row_to_listed_order(row) for row in rows], limit)


def _asked(which: OrderFilter, after: Position | None) -> dict[str, Any]:
    """The members that the filter sets; without `created_before` where the position lies below it
    anyway: of two upper bounds SQLite begins at the first, and would read every page before."""
    asked = {name: getattr(which, name) for name in _MEMBERS}
    before = which.created_before
    if after is not None and before is not None and after.created_at < before:
        del asked["created_before"]
    return {name: value for name, value in asked.items() if value is not None}


@lru_cache(maxsize=128)
def page_statement(asked: tuple[str, ...], *, continues: bool) -> Statement:
    """For one combination of filters, of which there are 64 at the most."""
    return Statement(
        select(orders)
        .where(*(_CONDITIONS[name] for name in asked), *after_position(orders, continues=continues))
        .order_by(orders.c.created_at.desc(), orders.c.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )
