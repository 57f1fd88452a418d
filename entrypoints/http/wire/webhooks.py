"""Webhook endpoints and their deliveries."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from domain import event as domain
from entrypoints.http.wire.base import (
    INT64,
    MOST_INT64,
    OPEN,
    TEXT,
    CreatedAt,
    Id,
    In,
    MomentIn,
    Out,
    UpdatedAt,
)
from entrypoints.http.wire.event_types import EventType
from entrypoints.http.wire.pages import PageOut, PageQuery

MAX_URL_LENGTH: Final = 2_048

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
    list[EventType],
    Field(
        min_length=1,
        description="Which events it is told of; null means all, also those to come.",
        examples=[["order.paid", "order.failed"]],
    ),
]
SomeEventTypes = Annotated[EventTypes, Field(max_length=len(domain.EventType))]
"""As they may be sent. How many types there are is no promise: there will be more."""
Description = Annotated[
    str,
    Field(
        max_length=1000,
        pattern=TEXT,
        description="For people, up to 1,000 characters.",
        examples=["Bookkeeping"],
    ),
]
EndpointId = Annotated[
    UUID,
    Field(
        description="The webhook endpoint's id.", examples=["019aa6f3-5d10-7b7e-8c33-2f4f6a7b8c9d"]
    ),
]
EventId = Annotated[
    UUID,
    Field(
        description="The event's id, sent as `webhook-id` in each attempt.",
        examples=["019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"],
    ),
]
WebhookEndpointStatus = TypeAliasType(
    "WebhookEndpointStatus",
    Annotated[
        Literal["enabled", "disabled"],
        Field(description="Whether it is told of events.", examples=["enabled"]),
    ],
)
WebhookDisabledReason = TypeAliasType(
    "WebhookDisabledReason",
    Annotated[
        Literal["requested", "gone", "failing"],
        Field(
            description="`requested`: you asked for it. `gone`: it answered 410. `failing`: nothing"
            " succeeded there for 120 hours. More may come.",
            examples=["gone"],
            json_schema_extra=OPEN,
        ),
    ],
)
WebhookDeliveryStatus = TypeAliasType(
    "WebhookDeliveryStatus",
    Annotated[
        Literal["pending", "delivered", "held"],
        Field(
            description="`held`: nothing is tried any more by itself; ask for it again.",
            examples=["delivered"],
        ),
    ],
)
FinishedDeliveryStatus = TypeAliasType(
    "FinishedDeliveryStatus",
    Annotated[
        Literal["delivered", "held"],
        Field(description="Of a delivery that does not wait.", examples=["held"]),
    ],
)
WebhookAttemptProblem = TypeAliasType(
    "WebhookAttemptProblem",
    Annotated[
        Literal[
            "timeout",
            "unreachable",
            "name_unknown",
            "address_refused",
            "tls_failed",
            "unreadable",
            "secret_unreadable",
        ],
        Field(
            description="Why there was no answer. More may come.",
            examples=["timeout"],
            json_schema_extra=OPEN,
        ),
    ],
)


class WebhookEndpointIn(In):
    """A webhook endpoint to create."""

    url: Url
    event_types: SomeEventTypes | None = None
    description: Description | None = None


class WebhookEndpointPatch(In):
    """What is to be another in a webhook endpoint; what is left out stays as it is."""

    url: Url | None = Field(None, description="null changes nothing.")
    event_types: SomeEventTypes | None = Field(None, description="null means all.")
    description: Description | None = Field(None, description="null removes it.")
    status: WebhookEndpointStatus | None = Field(
        None,
        description="`enabled` also forgets what it was disabled for; null changes nothing.",
    )


class RotateWebhookSecretIn(In):
    """Nothing needs to be said."""


class WebhookEndpointStateOut(Out):
    """What events tell of a webhook endpoint."""

    id: EndpointId
    status: WebhookEndpointStatus
    disabled_reason: WebhookDisabledReason | None


class WebhookEndpointOut(Out):
    """A webhook endpoint, without its secret."""

    id: Id
    url: Url
    event_types: EventTypes | None
    description: Description | None
    status: WebhookEndpointStatus
    disabled_reason: WebhookDisabledReason | None
    created_at: CreatedAt
    updated_at: UpdatedAt


class WebhookEndpointWithSecretOut(WebhookEndpointOut):
    """A webhook endpoint with its new secret, which is shown this once."""

    secret: str = Field(
        description="Signs what is sent (Standard Webhooks). It is shown for 24 hours to who"
        " repeats the request, and then never again: store it now.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


class WebhookEndpointList(PageOut):
    """A page of webhook endpoints, newest first."""

    data: list[WebhookEndpointOut]


class WebhookDeliveryOut(Out):
    """One event for one endpoint."""

    id: Id
    endpoint_id: EndpointId
    event_id: EventId
    event_type: EventType
    sequence: int = Field(
        ge=1,
        le=MOST_INT64,
        description="The event's place in the feed.",
        examples=[42],
        json_schema_extra=INT64,
    )
    status: WebhookDeliveryStatus
    attempt_count: int = Field(ge=0, description="How often it was tried.", examples=[1])
    next_attempt_at: datetime | None = Field(
        description="When it is tried next, UTC; null where it is not.",
        examples=["2026-11-21T10:00:05.123456Z"],
    )
    created_at: CreatedAt
    updated_at: UpdatedAt


class WebhookAttemptOut(Out):
    """One request to the endpoint."""

    number: int = Field(ge=1, description="Counts up from 1.", examples=[1])
    started_at: datetime = Field(
        description="When it began, UTC.", examples=["2026-11-21T10:00:00.223456Z"]
    )
    latency_ms: int = Field(ge=0, description="How long it took, in milliseconds.", examples=[87])
    status_code: int | None = Field(
        description="Of the answer; null where there was none.", examples=[204]
    )
    problem: WebhookAttemptProblem | None = Field(description="Null where there was an answer.")
    response_excerpt: str = Field(
        description="The first 2 kB of the answer, without secrets.", examples=[""]
    )


class WebhookDeliveryWithAttemptsOut(WebhookDeliveryOut):
    """A delivery with what was tried."""

    attempts: list[WebhookAttemptOut] = Field(description="The latest 20, the oldest first.")


class WebhookDeliveryList(PageOut):
    """A page of deliveries, newest first."""

    data: list[WebhookDeliveryOut]


class WebhookDeliveryQuery(PageQuery):
    """Which deliveries, and which page of them."""

    status: WebhookDeliveryStatus | None = Field(None, description="Only deliveries that are so.")


class RedeliverIn(In):
    """Nothing needs to be said."""


class RedeliverRangeIn(In):
    """Which deliveries are to be made once more."""

    created_from: MomentIn = Field(
        description="The first moment, RFC 3339, inclusive.", examples=["2026-11-20T00:00:00Z"]
    )
    created_before: MomentIn = Field(
        description="The moment after the last, RFC 3339, exclusive.",
        examples=["2026-11-21T00:00:00Z"],
    )
    status: FinishedDeliveryStatus | None = Field(
        None, description="Only those; null means both. What is pending waits anyway."
    )


class RedeliveriesOut(Out):
    """What will be delivered once more."""

    endpoint_id: EndpointId
    count: int = Field(ge=0, description="How many deliveries.", examples=[12])


class TestEventOut(Out):
    """The event by which an endpoint is tried out."""

    endpoint_id: EndpointId
    event_id: EventId


class SendTestIn(In):
    """Nothing needs to be said."""


def event_types_of(names: Sequence[str] | None) -> frozenset[domain.EventType] | None:
    return None if names is None else frozenset(map(domain.EventType, names))
