"""Tell Harbor where a merchant's webhooks go."""

from dataclasses import dataclass
from datetime import datetime

from application.errors import TooManyWebhookEndpoints, WebhookUrlRefused
from application.json_text import render
from application.once import CREATED, Answer, Claim, Made, Once
from application.ports.ids import Ids
from application.ports.webhook_endpoints import WebhookEndpoints
from application.ports.webhook_sender import WebhookSender
from application.webhook_endpoint_document import webhook_endpoint_with_secret
from application.webhook_secrets import WebhookSecrets
from domain.event import EventType
from domain.webhook import MAX_ENDPOINTS, EndpointChange, WebhookEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWebhookEndpointCommand:
    """`event_types` None means all, also those to come."""

    claim: Claim
    url: str
    event_types: frozenset[EventType] | None
    description: str | None


class CreateWebhookEndpoint:
    def __init__(
        self,
        *,
        once: Once,
        endpoints: WebhookEndpoints,
        sender: WebhookSender,
        secrets: WebhookSecrets,
        ids: Ids,
    ) -> None:
        self._once = once
        self._endpoints = endpoints
        self._sender = sender
        self._secrets = secrets
        self._ids = ids

    async def __call__(self, command: CreateWebhookEndpointCommand) -> Answer:
        """The new endpoint's document with its secret.

        Raises WebhookUrlRefused, TooManyWebhookEndpoints, and all that Once does.
        """
        merchant_id = command.claim.merchant_id

        async def make(now: datetime) -> Made:
            refuse_bad_url(self._sender, command.url)
            # What was counted here may be one less by then: recording looks once more, and has this
            # done again.
            if await self._endpoints.count(merchant_id) >= MAX_ENDPOINTS:
                raise TooManyWebhookEndpoints(
                    f"A merchant has at most {MAX_ENDPOINTS} webhook endpoints: delete one first."
                )
            endpoint_id = self._ids.new()
            secret, sealed = self._secrets.new(endpoint_id)
            endpoint = WebhookEndpoint(
                id=endpoint_id,
                merchant_id=merchant_id,
                url=command.url,
                event_types=command.event_types,
                description=command.description,
                secret=sealed,
                created_at=now,
                updated_at=now,
            )
            return made_endpoint(endpoint, secret, CREATED)

        return await self._once(command.claim, make)


def refuse_bad_url(sender: WebhookSender, url: str) -> None:
    """Raises WebhookUrlRefused."""
    refusal = sender.refusal(url)
    if refusal is not None:
        raise WebhookUrlRefused(refusal)


def made_endpoint(endpoint: WebhookEndpoint, secret: str, status: int) -> Made:
    return Made(
        resource_type="webhook_endpoint",
        resource_id=endpoint.id,
        location=f"/v1/webhook-endpoints/{endpoint.id}",
        body=render(webhook_endpoint_with_secret(endpoint, secret)),
        change=EndpointChange(endpoint=endpoint),
        holds_secret=True,
        status=status,
    )
