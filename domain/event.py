"""What has happened to an order, in the past tense."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from domain.order import Order


class EventType(StrEnum):
    ORDER_CREATED = "order.created"
    ORDER_PROCESSING = "order.processing"
    ORDER_AUTHORIZED = "order.authorized"
    ORDER_PAID = "order.paid"
    ORDER_FAILED = "order.failed"
    ORDER_CANCELED = "order.canceled"
    ORDER_REFUNDED = "order.refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One change of one order. `order` is the order as the change left it, so that
    `order.version` says which change it was."""

    id: UUID
    type: EventType
    occurred_at: datetime
    order: "Order"
