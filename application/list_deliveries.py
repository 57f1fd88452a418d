"""List what was or is to be delivered to a webhook endpoint, newest first."""

from application.errors import WebhookEndpointNotFound
from application.pages import Page, Position
from application.ports.deliveries import Deliveries, DeliveryFilter
from application.ports.webhook_endpoints import WebhookEndpoints
from domain.delivery import Delivery


class ListDeliveries:
    def __init__(self, *, deliveries: Deliveries, endpoints: WebhookEndpoints) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints

    async def __call__(
        self, which: DeliveryFilter, *, after: Position | None, limit: int
    ) -> Page[Delivery]:
        """Raises WebhookEndpointNotFound, StorageUnavailable."""
        if await self._endpoints.get(which.merchant_id, which.endpoint_id) is None:
            raise WebhookEndpointNotFound
        return await self._deliveries.page(which, after, limit)
