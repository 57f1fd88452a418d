"""Tell an operator all that happened to an order."""

from uuid import UUID

from application.errors import OrderNotFound
from application.ports.payment_history import History, PaymentHistory


class ShowOrder:
    def __init__(self, *, history: PaymentHistory) -> None:
        self._history = history

    async def __call__(self, order_id: UUID) -> History:
        """Of whichever merchant. Raises OrderNotFound, StorageUnavailable."""
        found = await self._history.of_order(order_id)
        if found is None:
            raise OrderNotFound
        return found
