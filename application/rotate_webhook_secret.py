"""Give a webhook endpoint another secret; the old one signs as well for a day."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from application.create_webhook_endpoint import made_endpoint
from application.errors import WebhookEndpointNotFound
from application.once import Answer, Claim, Made, Once
from application.ports.webhook_endpoints import WebhookEndpoints
from application.webhook_secrets import WebhookSecrets

_CHANGED: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateWebhookSecretCommand:
    claim: Claim
    endpoint_id: UUID


class RotateWebhookSecret:
    def __init__(self, *, once: Once, endpoints: WebhookEndpoints, secrets: WebhookSecrets) -> None:
        self._once = once
        self._endpoints = endpoints
        self._secrets = secrets

    async def __call__(self, command: RotateWebhookSecretCommand) -> Answer:
        """The endpoint's document with the new secret.

        Raises WebhookEndpointNotFound, and all that Once does.
        """

        async def make(now: datetime) -> Made:
            endpoint = await self._endpoints.get(command.claim.merchant_id, command.endpoint_id)
            if endpoint is None:
                raise WebhookEndpointNotFound
            secret, sealed = self._secrets.new(endpoint.id)
            return made_endpoint(endpoint.rotate(sealed, now), secret, _CHANGED)

        return await self._once(command.claim, make)
