"""What is or was to be delivered, for those who ask."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.pages import Page, Position
from domain.delivery import Delivery, DeliveryAttempt, DeliveryState


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries of an endpoint: from a moment on, before another, in one state; None means
    any."""

    merchant_id: UUID
    endpoint_id: UUID
    created_from: datetime | None = None
    created_before: datetime | None = None
    state: DeliveryState | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedDelivery:
    """`attempts` are the last ones, the oldest first."""

    delivery: Delivery
    attempts: tuple[DeliveryAttempt, ...]


class Deliveries(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def get(self, merchant_id: UUID, delivery_id: UUID) -> TriedDelivery | None:
        """The merchant's own delivery; None for an unknown id and for another merchant's."""

    @abstractmethod
    async def page(
        self, which: DeliveryFilter, after: Position | None, limit: int
    ) -> Page[Delivery]:
        """Newest first, those after `after`, at most `limit`."""

    @abstractmethod
    async def count(self, which: DeliveryFilter, limit: int) -> int:
        """How many there are, counted up to `limit`."""
