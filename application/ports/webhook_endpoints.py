"""The webhook endpoints of the merchants."""

from abc import abstractmethod
from typing import Protocol
from uuid import UUID

from application.pages import Page, Position
from domain.event import EndpointEvent
from domain.webhook import WebhookEndpoint


class WebhookEndpoints(Protocol):
    """New ones, and rotations, are saved with the answer to their idempotency key. Every method
    raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def get(self, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint | None:
        """The merchant's own endpoint; None for an unknown id and for another merchant's."""

    @abstractmethod
    async def page(
        self, merchant_id: UUID, after: Position | None, limit: int
    ) -> Page[WebhookEndpoint]:
        """The merchant's endpoints, newest first, those after `after`, at most `limit`."""

    @abstractmethod
    async def count(self, merchant_id: UUID) -> int:
        """How many the merchant has."""

    @abstractmethod
    async def save(
        self, endpoint: WebhookEndpoint, from_version: int, event: EndpointEvent | None = None
    ) -> bool:
        """Save what an endpoint has become, and what that is to others: both or none. False when it
        is not of that version any more."""

    @abstractmethod
    async def delete(self, merchant_id: UUID, endpoint_id: UUID) -> bool:
        """Forget it, and its secret. False when it was not there."""
