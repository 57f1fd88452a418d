"""Read a merchant's feed, or the part of it that is about one order."""

from application.errors import OrderNotFound
from application.ports.events import EventFilter, EventPage, Events
from application.ports.orders import Orders


class ListEvents:
    def __init__(self, *, events: Events, orders: Orders) -> None:
        self._events = events
        self._orders = orders

    async def __call__(self, which: EventFilter, *, after: int, limit: int) -> EventPage:
        """At most `limit` events after the sequence. Raises OrderNotFound, StorageUnavailable."""
        page = await self._events.page(which, after, limit)
        order_id = which.order_id
        if order_id is None or page.items:
            return page
        # Of an order that is there the first event may not have its number yet.
        if await self._orders.get(which.merchant_id, order_id) is None:
            raise OrderNotFound
        return page
