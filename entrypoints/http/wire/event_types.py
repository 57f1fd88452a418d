"""The types of events."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from entrypoints.http.wire.base import OPEN

EventType = TypeAliasType(
    "EventType",
    Annotated[
        Literal[
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
        ],
        Field(
            description="What happened. More may come: pass over one that you do not know.",
            examples=["order.paid"],
            json_schema_extra=OPEN,
        ),
    ],
)
