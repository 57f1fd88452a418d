"""Reading orders. They are written by `ports/idempotency.py`, with the answer that tells of it."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.pages import Page, Position
from domain.order import Order, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which of the merchant's orders; None means any. `created_after` and `created_before` are
    exclusive."""

    merchant_id: UUID
    status: OrderStatus | None = None
    customer_id: str | None = None
    invoice_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order as a list shows it: where it stands, and `json`, its public document."""

    id: UUID
    created_at: datetime
    json: str


class Orders(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def get(self, merchant_id: UUID, order_id: UUID) -> Order | None:
        """The merchant's own order as it is now; None for an unknown id and another merchant's."""

    @abstractmethod
    async def page(
        self, which: OrderFilter, after: Position | None, limit: int
    ) -> Page[ListedOrder]:
        """Newest first (created_at, then id, both descending), those after `after`, at most
        `limit`. Takes as long for the last page as for the first."""
