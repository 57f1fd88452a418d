"""The wire of the feed, as the OpenAPI document shows it."""

import re
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from domain.event import EventType
from entrypoints.http.event_types import EventTypeName
from entrypoints.http.schemas import In, OrderOut, Out, from_digits

LAST_SEQUENCE: Final = 2**63 - 1


class OrderEventDataOut(Out):
    """What an event of an order is about."""

    order: OrderOut = Field(description="The order as the change left it.")


class EndpointInEventOut(Out):
    """A webhook endpoint as its events tell of it."""

    id: UUID
    status: Literal["enabled", "disabled"]
    disabled_reason: Literal["requested", "gone", "failing"] | None


class EndpointEventDataOut(Out):
    """What an event of a webhook endpoint is about."""

    webhook_endpoint: EndpointInEventOut


class EventOut(Out):
    """One change of an order, or what happened to a webhook endpoint."""

    id: UUID = Field(description="UUIDv7. A webhook about the event has the same id.")
    type: EventTypeName
    sequence: int = Field(description="Counts your events from 1, without a gap.")
    timestamp: datetime = Field(description="When it happened.")
    order_version: int | None = Field(
        description="The order's `version` since then; null for an event of a webhook endpoint."
    )
    data: OrderEventDataOut | EndpointEventDataOut


class EventList(Out):
    """A page of the feed, the oldest first."""

    data: list[EventOut]
    has_more: bool
    next_cursor: int = Field(
        description="The last sequence that was looked at: pass it as `after` to go on, now or"
        " when there is more."
    )


def _sequence(value: object) -> object:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise PydanticCustomError("integer_invalid", "Not a sequence, which is a whole number")
        return int(value)
    return value


def _known_types(text: str) -> str:
    if any(name not in list(EventType) for name in text.split(",")):
        raise PydanticCustomError(
            "event_type_unknown", "Not a type of event, or several with commas and without spaces"
        )
    return text


class FollowQuery(In):
    """Which events."""

    model_config = ConfigDict(strict=False)

    after: Annotated[int, BeforeValidator(_sequence)] = Field(
        0, ge=0, le=LAST_SEQUENCE, description="Only events with a higher sequence."
    )
    type: Annotated[str, BeforeValidator(_known_types)] | None = Field(
        None,
        description="Only events of this type, or of several: `order.paid,order.failed`.",
        examples=["order.paid"],
        max_length=300,
    )

    @property
    def types(self) -> frozenset[EventType] | None:
        return None if self.type is None else frozenset(map(EventType, self.type.split(",")))


class EventQuery(FollowQuery):
    """Which events, and how many of them."""

    limit: Annotated[int, BeforeValidator(from_digits)] = Field(
        25, ge=1, le=100, description="How many at the most."
    )
