"""The feed, and what a webhook carries."""

import re
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

from domain import event as domain
from entrypoints.http.wire.base import (
    INT64,
    MOST_INT64,
    Digits,
    Id,
    In,
    Out,
    Sparse,
)
from entrypoints.http.wire.event_types import EventType
from entrypoints.http.wire.orders import OrderOut
from entrypoints.http.wire.webhooks import WebhookEndpointStateOut

EventMoment = Annotated[
    datetime,
    Field(description="When it happened, UTC.", examples=["2026-11-21T10:00:00.123456Z"]),
]
Sequence = Annotated[
    int,
    Field(
        ge=1,
        le=MOST_INT64,
        description="Counts your events from 1, without a gap.",
        examples=[42],
        json_schema_extra=INT64,
    ),
]


class EventDataOut(Sparse):
    """What an event is about: one of these."""

    order: OrderOut | SkipJsonSchema[None] = Field(
        None, description="The order as the change left it."
    )
    webhook_endpoint: WebhookEndpointStateOut | SkipJsonSchema[None] = Field(
        None, description="The webhook endpoint that it happened to."
    )


class EventOut(Out):
    """One change of an order, or what happened to a webhook endpoint."""

    id: Annotated[Id, Field(description="UUIDv7. A webhook about the event has the same id.")]
    type: EventType
    sequence: Sequence
    timestamp: EventMoment
    order_version: int | None = Field(
        description="The order's `version` since then; null for an event of a webhook endpoint.",
        examples=[3],
    )
    data: EventDataOut


class EventList(Out):
    """A page of the feed, the oldest first."""

    data: list[EventOut]
    has_more: bool = Field(description="Whether there is a next page already.")
    next_cursor: int = Field(
        ge=0,
        le=MOST_INT64,
        description="The last sequence that was looked at: pass it as `after` to go on, now or"
        " when there is more.",
        examples=[42],
        json_schema_extra=INT64,
    )


class OrderEventDataOut(Out):
    """What an event of an order is about."""

    order: OrderOut = Field(description="The order as the change left it, not as it is now.")


class WebhookEndpointEventDataOut(Out):
    """What an event of a webhook endpoint is about."""

    webhook_endpoint: WebhookEndpointStateOut


class OrderWebhookOut(Out):
    """What is sent to your endpoint when an order has changed."""

    id: Annotated[Id, Field(description="UUIDv7, the same as in the feed and in `webhook-id`.")]
    type: EventType
    timestamp: EventMoment
    sequence: Sequence
    data: OrderEventDataOut


class WebhookEndpointWebhookOut(Out):
    """What is sent to your endpoint when something has happened to one of your endpoints."""

    id: Annotated[Id, Field(description="UUIDv7, the same as in the feed and in `webhook-id`.")]
    type: EventType
    timestamp: EventMoment
    sequence: Sequence
    data: WebhookEndpointEventDataOut


def _sequence(value: object) -> object:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise PydanticCustomError("integer_invalid", "Not a sequence, which is a whole number")
        return int(value)
    return value


def _known_types(given: list[str]) -> list[str]:
    names = ",".join(given).split(",")
    if not set(names) <= set(domain.EventType) or len(set(names)) < len(names):
        raise PydanticCustomError(
            "event_type_unknown",
            "Not a type of event, or several, each once and without spaces",
        )
    return names


class FollowQuery(In):
    """Which events."""

    model_config = ConfigDict(strict=False)

    after: Annotated[int, BeforeValidator(_sequence)] = Field(
        0,
        ge=0,
        le=MOST_INT64,
        description="Only events with a higher sequence.",
        examples=[41],
        json_schema_extra=INT64,
    )
    type: (
        Annotated[
            list[EventType],
            BeforeValidator(_known_types),
            Field(
                min_length=1,
                max_length=len(domain.EventType),
                json_schema_extra={"uniqueItems": True},
            ),
        ]
        | None
    ) = Field(
        None,
        description="Only events of these types: `type=order.paid&type=order.failed`, or with"
        " commas, `type=order.paid,order.failed`.",
        examples=[["order.paid", "order.failed"]],
    )

    @property
    def types(self) -> frozenset[domain.EventType] | None:
        return None if self.type is None else frozenset(map(domain.EventType, self.type))


class EventQuery(FollowQuery):
    """Which events, and how many of them."""

    limit: Digits = Field(25, ge=1, le=100, description="How many at the most.", examples=[25])
