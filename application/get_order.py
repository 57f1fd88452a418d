"""Fetch one order as it is now."""

from uuid import UUID

from application.errors import OrderNotFound
from application.ports.orders import Orders
from domain.order import Order


class GetOrder:
    def __init__(self, *, orders: Orders) -> None:
        self._orders = orders

    async def __call__(self, merchant_id: UUID, order_id: UUID) -> Order:
        """Raises OrderNotFound, StorageUnavailable."""
        order = await self._orders.get(merchant_id, order_id)
        if order is None:
            raise OrderNotFound
        return order
