"""Rows of webhooks, and what they are in the domain."""

from typing import Any

from adapters.sql.rows import Row
from domain.event import EventType
from domain.webhook import DisabledReason, EndpointStatus, WebhookEndpoint


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
