"""The wire of webhook deliveries, as the OpenAPI document shows it."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from entrypoints.http.event_types import EventTypeName
from entrypoints.http.schemas import In, MomentIn, Out, PageQuery

DeliveryStatusName = Literal["pending", "delivered", "held"]


class DeliveryOut(Out):
    """One event for one endpoint."""

    id: UUID = Field(description="UUIDv7.")
    endpoint_id: UUID
    event_id: UUID = Field(description="Sent as `webhook-id` in each attempt.")
    event_type: EventTypeName
    sequence: int = Field(description="The event's place in the feed.")
    status: DeliveryStatusName = Field(
        description="`held`: nothing is tried any more by itself; ask for it again."
    )
    attempt_count: int
    next_attempt_at: datetime | None
    created_at: datetime
    updated_at: datetime


class DeliveryAttemptOut(Out):
    """One request to the endpoint."""

    number: int
    started_at: datetime
    latency_ms: int
    status_code: int | None = Field(description="Of the answer; null where there was none.")
    problem: str | None = Field(
        description="Why there was no answer: `timeout`, `unreachable`, `name_unknown`,"
        " `address_refused`, `tls_failed`, `unreadable`, `secret_unreadable`."
    )
    response_excerpt: str = Field(description="The first 2 kB of the answer, without secrets.")


class TriedDeliveryOut(DeliveryOut):
    """A delivery with what was tried."""

    attempts: list[DeliveryAttemptOut] = Field(description="The latest 20, the oldest first.")


class DeliveryList(Out):
    """A page of deliveries, newest first."""

    data: list[DeliveryOut]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on.")


class DeliveryQuery(PageQuery):
    """Which deliveries, and which page of them."""

    status: DeliveryStatusName | None = None


class RedeliverIn(In):
    """Nothing needs to be said."""


class RedeliverRangeIn(In):
    """Which deliveries are to be made once more."""

    created_from: MomentIn = Field(description="RFC 3339, inclusive.")
    created_before: MomentIn = Field(description="RFC 3339, exclusive.")
    status: Literal["delivered", "held"] | None = Field(
        None, description="Only those; null means both. What is pending waits anyway."
    )


class RedeliverRangeOut(Out):
    """What will be delivered once more."""

    endpoint_id: UUID
    count: int = Field(description="How many deliveries.")


class EventSentOut(Out):
    """The event by which an endpoint is tried out."""

    endpoint_id: UUID
    event_id: UUID = Field(description="Sent as `webhook-id`.")


class SendTestIn(In):
    """Nothing needs to be said."""
