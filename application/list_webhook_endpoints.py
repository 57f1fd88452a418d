"""List a merchant's webhook endpoints, newest first."""

from uuid import UUID

from application.pages import Page, Position
from application.ports.webhook_endpoints import WebhookEndpoints
from domain.webhook import WebhookEndpoint


class ListWebhookEndpoints:
    def __init__(self, *, endpoints: WebhookEndpoints) -> None:
        self._endpoints = endpoints

    async def __call__(
        self, merchant_id: UUID, *, after: Position | None, limit: int
    ) -> Page[WebhookEndpoint]:
        """At most `limit` endpoints after the position. Raises StorageUnavailable."""
        return await self._endpoints.page(merchant_id, after, limit)
