"""The one public JSON document of a delivery."""

from collections.abc import Iterable
from typing import Any

from application.json_text import rfc3339
from domain.delivery import Delivery, DeliveryAttempt, DeliveryState


def delivery_document(delivery: Delivery) -> dict[str, Any]:
    """`next_attempt_at` is null unless there will be one."""
    waits = delivery.state is DeliveryState.PENDING
    return {
        "id": str(delivery.id),
        "endpoint_id": str(delivery.endpoint_id),
        "event_id": str(delivery.event_id),
        "event_type": str(delivery.event_type),
        "sequence": delivery.sequence,
        "status": str(delivery.state),
        "attempt_count": delivery.attempts,
        "next_attempt_at": rfc3339(delivery.due_at) if waits else None,
        "created_at": rfc3339(delivery.created_at),
        "updated_at": rfc3339(delivery.updated_at),
    }


def tried_delivery_document(
    delivery: Delivery, attempts: Iterable[DeliveryAttempt]
) -> dict[str, Any]:
    return delivery_document(delivery) | {"attempts": list(map(_attempt_document, attempts))}


def _attempt_document(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": rfc3339(attempt.started_at),
        "latency_ms": round(attempt.latency.total_seconds() * 1000),
        "status_code": attempt.status,
        "problem": attempt.problem,
        "response_excerpt": attempt.excerpt,
    }
