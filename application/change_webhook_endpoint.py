"""Change a webhook endpoint: its URL, what it is told of, whether it is told at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from application.create_webhook_endpoint import refuse_bad_url
from application.errors import WebhookEndpointNotFound
from application.json_text import json_text
from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from application.ports.ids import Ids
from application.ports.webhook_endpoints import WebhookEndpoints
from application.ports.webhook_sender import WebhookSender
from application.webhook_endpoint_document import webhook_endpoint_in_event
from domain.event import EndpointEvent, EventType
from domain.webhook import DisabledReason, EndpointStatus, WebhookEndpoint

_TRIES: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeWebhookEndpointCommand:
    """`changed` has those of `url`, `event_types` and `description` that are to be others."""

    merchant_id: UUID
    endpoint_id: UUID
    changed: Mapping[str, object]
    status: EndpointStatus | None = None


class ChangeWebhookEndpoint:
    def __init__(
        self, *, endpoints: WebhookEndpoints, sender: WebhookSender, ids: Ids, clock: Clock
    ) -> None:
        self._endpoints = endpoints
        self._sender = sender
        self._ids = ids
        self._clock = clock

    async def __call__(self, command: ChangeWebhookEndpointCommand) -> WebhookEndpoint:
        """As it is then. What changes nothing saves nothing; that it is disabled is an event.

        Raises WebhookEndpointNotFound, WebhookUrlRefused, StorageUnavailable.
        """
        url = command.changed.get("url")
        if isinstance(url, str):
            refuse_bad_url(self._sender, url)
        for _ in range(_TRIES):
            endpoint = await self._endpoints.get(command.merchant_id, command.endpoint_id)
            if endpoint is None:
                raise WebhookEndpointNotFound
            changed = self._changed(endpoint, command)
            event = self._disabled(changed) if _disables(endpoint, changed) else None
            if changed is endpoint or await self._endpoints.save(changed, endpoint.version, event):
                return changed
        raise StorageUnavailable("The endpoint was changed each time that it was tried.")

    def _changed(
        self, endpoint: WebhookEndpoint, command: ChangeWebhookEndpointCommand
    ) -> WebhookEndpoint:
        now = self._clock.now()
        others = {
            name: value
            for name, value in command.changed.items()
            if getattr(endpoint, name) != value
        }
        if others:
            endpoint = endpoint.change(now, **others)
        if command.status is EndpointStatus.ENABLED and not endpoint.is_enabled:
            return endpoint.enable(now)
        if command.status is EndpointStatus.DISABLED:
            return endpoint.disable(DisabledReason.REQUESTED, now)
        return endpoint

    def _disabled(self, endpoint: WebhookEndpoint) -> EndpointEvent:
        return EndpointEvent(
            id=self._ids.new(),
            merchant_id=endpoint.merchant_id,
            endpoint_id=endpoint.id,
            type=EventType.ENDPOINT_DISABLED,
            occurred_at=endpoint.updated_at,
            document=json_text(webhook_endpoint_in_event(endpoint)),
        )


def _disables(before: WebhookEndpoint, after: WebhookEndpoint) -> bool:
    return before.is_enabled and not after.is_enabled
