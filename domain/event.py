"""What has happened to an order, in the past tense."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.quick import quick


class EventType(StrEnum):
    ORDER_CREATED = "order.created"
    ORDER_PROCESSING = "order.processing"
    ORDER_AUTHORIZED = "order.authorized"
    ORDER_PAID = "order.paid"
    ORDER_FAILED = "order.failed"
    ORDER_CANCELED = "order.canceled"
    ORDER_REFUNDED = "order.refunded"
    """A part of it, or all."""
    REFUND_CREATED = "refund.created"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    ENDPOINT_TEST = "webhook_endpoint.test"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One change of one order; `order_version` says which."""

    id: UUID
    merchant_id: UUID
    order_id: UUID
    order_version: int
    type: EventType
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointEvent:
    """What happened to a webhook endpoint, or a test of it, which it alone is told of. `document`
    is its public JSON text."""

    id: UUID
    merchant_id: UUID
    endpoint_id: UUID
    type: EventType
    occurred_at: datetime
    document: str
