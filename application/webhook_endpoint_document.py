"""The one public JSON document of a webhook endpoint."""

from typing import Any

from application.json_text import rfc3339
from domain.event import EventType
from domain.webhook import WebhookEndpoint


def webhook_endpoint_document(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Without its secrets. `event_types` is null for all of them."""
    return {
        "id": str(endpoint.id),
        "url": endpoint.url,
        "event_types": _names(endpoint.event_types),
        "description": endpoint.description,
        "status": str(endpoint.status),
        "disabled_reason": endpoint.disabled_reason and str(endpoint.disabled_reason),
        "created_at": rfc3339(endpoint.created_at),
        "updated_at": rfc3339(endpoint.updated_at),
    }


def webhook_endpoint_in_event(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What the merchant's other endpoints and readers of the feed learn of it: not where it is."""
    document = webhook_endpoint_document(endpoint)
    return {name: document[name] for name in ("id", "status", "disabled_reason")}


def webhook_endpoint_with_secret(endpoint: WebhookEndpoint, secret: str) -> dict[str, Any]:
    """What is shown once, when the secret was made."""
    return webhook_endpoint_document(endpoint) | {"secret": secret}


def _names(event_types: frozenset[EventType] | None) -> list[str] | None:
    """In the order in which the types are defined."""
    return None if event_types is None else [str(each) for each in EventType if each in event_types]
