"""Fetch a delivery with what was tried."""

from uuid import UUID

from application.errors import WebhookDeliveryNotFound
from application.ports.deliveries import Deliveries, TriedDelivery


class GetDelivery:
    def __init__(self, *, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def __call__(self, merchant_id: UUID, delivery_id: UUID) -> TriedDelivery:
        """Raises WebhookDeliveryNotFound, StorageUnavailable."""
        found = await self._deliveries.get(merchant_id, delivery_id)
        if found is None:
            raise WebhookDeliveryNotFound
        return found
