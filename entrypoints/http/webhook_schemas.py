"""The wire of webhook endpoints, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from domain.event import EventType
from entrypoints.http.event_types import EventTypeName
from entrypoints.http.schemas import TEXT, In, Out

MAX_URL_LENGTH = 2_048

Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="https, and port 443 or from 1024 on. Addresses that are not public are"
        " refused, here and at each attempt.",
        examples=["https://partner.example/harbor"],
    ),
]
EventTypes = Annotated[
    list[EventTypeName],
    Field(
        min_length=1,
        max_length=len(EventType),
        description="Which events it is told of; null means all, also those to come.",
        examples=[["order.paid", "order.failed"]],
    ),
]
Description = Annotated[str, Field(max_length=1000, pattern=TEXT, description="For people.")]
StatusName = Literal["enabled", "disabled"]


class WebhookEndpointIn(In):
    """A webhook endpoint to create."""

    url: Url
    event_types: EventTypes | None = None
    description: Description | None = None


class WebhookEndpointPatch(In):
    """What is to be another in a webhook endpoint; what is left out stays as it is."""

    url: Url | None = Field(None, description="null changes nothing.")
    event_types: EventTypes | None = Field(None, description="null means all.")
    description: Description | None = Field(None, description="null removes it.")
    status: StatusName | None = Field(
        None,
        description="`enabled` also forgets what it was disabled for; null changes nothing.",
    )


class RotateSecretIn(In):
    """Nothing needs to be said."""


class WebhookEndpointOut(Out):
    """A webhook endpoint, without its secret."""

    id: UUID = Field(description="UUIDv7.")
    url: str
    event_types: list[EventTypeName] | None = Field(description="null means all.")
    description: str | None
    status: StatusName
    disabled_reason: Literal["requested", "gone", "failing"] | None = Field(
        description="`gone`: it answered 410. `failing`: nothing succeeded there for 120 hours."
    )
    created_at: datetime
    updated_at: datetime


class NewWebhookEndpointOut(WebhookEndpointOut):
    """A webhook endpoint with its new secret, which is shown this once."""

    secret: str = Field(
        description="Signs what is sent (Standard Webhooks). It is shown for 24 hours to who"
        " repeats the request, and then never again: store it now.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


class WebhookEndpointList(Out):
    """A page of webhook endpoints, newest first."""

    data: list[WebhookEndpointOut]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on.")


def event_types_of(names: list[EventTypeName] | None) -> frozenset[EventType] | None:
    return None if names is None else frozenset(map(EventType, names))
