"""Fetch a webhook endpoint."""

from uuid import UUID

from application.errors import WebhookEndpointNotFound
from application.ports.webhook_endpoints import WebhookEndpoints
from domain.webhook import WebhookEndpoint


class GetWebhookEndpoint:
    def __init__(self, *, endpoints: WebhookEndpoints) -> None:
        self._endpoints = endpoints

    async def __call__(self, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
        """Raises WebhookEndpointNotFound, StorageUnavailable."""
        endpoint = await self._endpoints.get(merchant_id, endpoint_id)
        if endpoint is None:
            raise WebhookEndpointNotFound
        return endpoint
