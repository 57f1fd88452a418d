"""List a merchant's orders, newest first."""

from application.pages import Page, Position
from application.ports.orders import OrderFilter, Orders
from domain.order import Order


class ListOrders:
    def __init__(self, *, orders: Orders) -> None:
        self._orders = orders

    async def __call__(
        self, which: OrderFilter, *, after: Position | None, limit: int
    ) -> Page[Order]:
        """At most `limit` orders after the position. Raises StorageUnavailable."""
        return await self._orders.page(which, after, limit)
