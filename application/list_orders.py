"""List a merchant's orders, newest first."""

from application.pages import Page, Position
from application.ports.orders import ListedOrder, OrderFilter, Orders


class ListOrders:
    def __init__(self, *, orders: Orders) -> None:
        self._orders = orders

    async def __call__(
        self, which: OrderFilter, *, after: Position | None, limit: int
    ) -> Page[ListedOrder]:
        """At most `limit` orders after the position. Raises StorageUnavailable."""
        return await self._orders.page(which, after, limit)
