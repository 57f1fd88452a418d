"""Send a webhook endpoint an event by which it can be tried out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from application.errors import WebhookEndpointDisabled, WebhookEndpointNotFound
from application.json_text import json_text, render
from application.once import Answer, Claim, Made, Once
from application.ports.ids import Ids
from application.ports.webhook_endpoints import WebhookEndpoints
from application.webhook_endpoint_document import webhook_endpoint_in_event
from domain.event import EndpointEvent, EventType

_CREATED: Final = 201


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTestEventCommand:
    claim: Claim
    endpoint_id: UUID


class SendTestEvent:
    def __init__(self, *, once: Once, endpoints: WebhookEndpoints, ids: Ids) -> None:
        self._once = once
        self._endpoints = endpoints
        self._ids = ids

    async def __call__(self, command: SendTestEventCommand) -> Answer:
        """The id of the event, which only this endpoint is told of, whatever it asked for.

        Raises WebhookEndpointNotFound, WebhookEndpointDisabled, and all that Once does.
        """

        async def make(now: datetime) -> Made:
            endpoint = await self._endpoints.get(command.claim.merchant_id, command.endpoint_id)
            if endpoint is None:
                raise WebhookEndpointNotFound
            if not endpoint.is_enabled:
                raise WebhookEndpointDisabled
            event = EndpointEvent(
                id=self._ids.new(),
                merchant_id=endpoint.merchant_id,
                endpoint_id=endpoint.id,
                type=EventType.ENDPOINT_TEST,
                occurred_at=now,
                document=json_text(webhook_endpoint_in_event(endpoint)),
            )
            return Made(
                resource_type="webhook_endpoint",
                resource_id=endpoint.id,
                location=f"/v1/webhook-endpoints/{endpoint.id}/deliveries",
                body=render({"endpoint_id": str(endpoint.id), "event_id": str(event.id)}),
                change=event,
                status=_CREATED,
            )

        return await self._once(command.claim, make)
