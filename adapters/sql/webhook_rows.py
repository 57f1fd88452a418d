"""Rows of webhooks, and what they are in the domain."""

from datetime import timedelta
from typing import Any, Final

from adapters.sql.rows import Row
from application.event_document import data_text, event_body
from domain.delivery import Delivery, DeliveryAttempt, DeliveryState
from domain.event import EndpointEvent, EventType
from domain.webhook import DisabledReason, EndpointStatus, WebhookEndpoint

_MILLISECOND: Final = timedelta(milliseconds=1)


def endpoint_to_row(endpoint: WebhookEndpoint) -> dict[str, Any]:
    types, reason = endpoint.event_types, endpoint.disabled_reason
    return {
        "id": endpoint.id,
        "merchant_id": endpoint.merchant_id,
        "url": endpoint.url,
        "event_types": None if types is None else " ".join(sorted(types)),
        "description": endpoint.description,
        "status": endpoint.status.value,
        "disabled_reason": reason and reason.value,
        "secret": endpoint.secret,
        "previous_secret": endpoint.previous_secret,
        "previous_until": endpoint.previous_until,
        "failing_since": endpoint.failing_since,
        "version": endpoint.version,
        "created_at": endpoint.created_at,
        "updated_at": endpoint.updated_at,
    }


def row_to_endpoint(row: Row) -> WebhookEndpoint:
    types, reason = row["event_types"], row["disabled_reason"]
    return WebhookEndpoint(
        id=row["id"],
        merchant_id=row["merchant_id"],
        url=row["url"],
        event_types=None if types is None else frozenset(map(EventType, types.split())),
        description=row["description"],
        status=EndpointStatus(row["status"]),
        disabled_reason=None if reason is None else DisabledReason(reason),
        secret=row["secret"],
        previous_secret=row["previous_secret"],
        previous_until=row["previous_until"],
        failing_since=row["failing_since"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def endpoint_event_to_row(event: EndpointEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "merchant_id": event.merchant_id,
        "order_id": None,
        "order_version": None,
        "endpoint_id": event.endpoint_id,
        "type": event.type.value,
        "occurred_at": event.occurred_at,
        "data": event.document,
        "sequence": None,
    }


def delivery_to_row(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "merchant_id": delivery.merchant_id,
        "endpoint_id": delivery.endpoint_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type.value,
        "sequence": delivery.sequence,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "failures": delivery.failures,
        "due_at": delivery.due_at,
        "created_at": delivery.created_at,
        "updated_at": delivery.updated_at,
    }


def row_to_delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        merchant_id=row["merchant_id"],
        endpoint_id=row["endpoint_id"],
        event_id=row["event_id"],
        event_type=EventType(row["event_type"]),
        sequence=row["sequence"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        failures=row["failures"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def attempt_to_row(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "delivery_id": attempt.delivery_id,
        "merchant_id": attempt.merchant_id,
        "number": attempt.number,
        "started_at": attempt.started_at,
        "latency_ms": attempt.latency // _MILLISECOND,
        "status": attempt.status,
        "problem": attempt.problem,
        "excerpt": attempt.excerpt,
    }


def row_to_attempt(row: Row) -> DeliveryAttempt:
    return DeliveryAttempt(
        delivery_id=row["delivery_id"],
        merchant_id=row["merchant_id"],
        number=row["number"],
        started_at=row["started_at"],
        latency=row["latency_ms"] * _MILLISECOND,
        status=row["status"],
        problem=row["problem"],
        excerpt=row["excerpt"],
    )


def body_of(row: Row) -> bytes:
    """What a delivery carries, of a row that has the delivery's columns and the event's."""
    return event_body(
        event_id=row["event_id"],
        event_type=row["event_type"],
        sequence=row["sequence"],
        occurred_at=row["occurred_at"],
        data=data_text(row["data"], about_order=row["order_id"] is not None),
    )
