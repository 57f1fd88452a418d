"""Forget a webhook endpoint."""

from uuid import UUID

from application.errors import WebhookEndpointNotFound
from application.ports.webhook_endpoints import WebhookEndpoints


class DeleteWebhookEndpoint:
    def __init__(self, *, endpoints: WebhookEndpoints) -> None:
        self._endpoints = endpoints

    async def __call__(self, merchant_id: UUID, endpoint_id: UUID) -> None:
        """It is told nothing more. What was delivered to it can still be looked at.
        Raises WebhookEndpointNotFound, StorageUnavailable."""
        if not await self._endpoints.delete(merchant_id, endpoint_id):
            raise WebhookEndpointNotFound
