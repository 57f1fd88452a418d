"""Telling one endpoint of one event, until it has heard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from uuid import UUID

from domain.event import EventType
from domain.webhook import FAILING_FOR, DisabledReason, WebhookEndpoint, pause_after


class DeliveryState(StrEnum):
    PENDING = "pending"
    """It is tried, or tried again, when it is due."""
    DELIVERED = "delivered"
    """The endpoint has answered 2xx."""
    HELD = "held"
    """Nothing is tried any more by itself; it can be asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One for each event and endpoint. `attempts` counts them all, `failures` those since it was
    last asked for."""

    id: UUID
    merchant_id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: EventType
    sequence: int
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    failures: int = 0
    due_at: datetime
    created_at: datetime
    updated_at: datetime

    def succeed(self, now: datetime) -> "Delivery":
        return replace(
            self,
            state=DeliveryState.DELIVERED,
            attempts=self.attempts + 1,
            failures=0,
            updated_at=now,
        )

    def fail(self, now: datetime, *, jitter: float, asked_for: timedelta | None) -> "Delivery":
        """To be tried again after a pause, or held when there have been enough attempts."""
        failures = self.failures + 1
        pause = pause_after(failures, jitter=jitter, asked_for=asked_for)
        return replace(
            self,
            state=DeliveryState.HELD if pause is None else DeliveryState.PENDING,
            attempts=self.attempts + 1,
            failures=failures,
            due_at=now if pause is None else now + pause,
            updated_at=now,
        )

    def hold(self, now: datetime) -> "Delivery":
        """Tried, and given up at once: nobody is there any more."""
        return replace(
            self,
            state=DeliveryState.HELD,
            attempts=self.attempts + 1,
            failures=self.failures + 1,
            updated_at=now,
        )

    def ask_again(self, now: datetime) -> "Delivery":
        """From the beginning, at once. What waits for its turn waits no longer."""
        return replace(self, state=DeliveryState.PENDING, failures=0, due_at=now, updated_at=now)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAttempt:
    """One request to the endpoint. `status` is that of its answer, `problem` why there was none;
    `excerpt` is the beginning of the answer, without secrets."""

    delivery_id: UUID
    merchant_id: UUID
    number: int
    started_at: datetime
    latency: timedelta
    status: int | None
    problem: str | None
    excerpt: str
    retry_after: timedelta | None = None
    """For how long the answer asked to be left alone."""

    @property
    def succeeded(self) -> bool:
        status = self.status or 0
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_gone(self) -> bool:
        return self.status == HTTPStatus.GONE


def judge(
    endpoint: WebhookEndpoint, attempts: Sequence[DeliveryAttempt], now: datetime
) -> WebhookEndpoint:
    """What the attempts, in the order in which they ended, make of the endpoint. Where there are
    none, nothing has failed now."""
    for attempt in attempts:
        if attempt.succeeded:
            endpoint = endpoint.note_success()
        elif attempt.is_gone:
            endpoint = endpoint.disable(DisabledReason.GONE, now)
        else:
            endpoint = endpoint.note_failure(now)
    failing_since = endpoint.failing_since
    if attempts and failing_since is not None and now - failing_since >= FAILING_FOR:
        return endpoint.disable(DisabledReason.FAILING, now)
    return endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivery:
    """Deliveries of an endpoint that are to be made once more, from the beginning: one, or those
    of a stretch of time that are in one of the `states`."""

    merchant_id: UUID
    endpoint_id: UUID
    delivery_id: UUID | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    states: tuple[DeliveryState, ...] = ()
    now: datetime
