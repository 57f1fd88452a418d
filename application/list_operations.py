"""List what the gateway was asked for an order, and what it said."""

from uuid import UUID

from application.errors import OrderNotFound
from application.pages import Page, Position
from application.ports.orders import Orders
from application.ports.payment_history import PaymentHistory, TriedOperation
from domain.payment import OperationKind


class ListOperations:
    def __init__(self, *, orders: Orders, history: PaymentHistory) -> None:
        self._orders = orders
        self._history = history

    async def __call__(
        self,
        merchant_id: UUID,
        order_id: UUID,
        *,
        kind: OperationKind | None = None,
        after: Position | None,
        limit: int,
    ) -> Page[TriedOperation]:
        """Newest first; of one kind where one is named.

        Raises OrderNotFound, StorageUnavailable.
        """
        page = await self._history.page(merchant_id, order_id, kind, after, limit)
        if not page.items and await self._orders.get(merchant_id, order_id) is None:
            raise OrderNotFound
        return page
