"""The types of events, as the OpenAPI document names them."""

from typing import Literal

EventTypeName = Literal[
    "order.created",
    "order.processing",
    "order.authorized",
    "order.paid",
    "order.failed",
    "order.canceled",
    "order.refunded",
    "refund.created",
    "refund.succeeded",
    "refund.failed",
    "webhook_endpoint.disabled",
    "webhook_endpoint.test",
]
