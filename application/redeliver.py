"""Ask for deliveries once more: one, or all of a stretch of time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from application.delivery_document import delivery_document
from application.errors import (
    TooManyDeliveries,
    WebhookDeliveryNotFound,
    WebhookEndpointDisabled,
    WebhookEndpointNotFound,
)
from application.json_text import render
from application.once import Answer, Claim, Made, Once
from application.ports.deliveries import Deliveries, DeliveryFilter
from application.ports.webhook_endpoints import WebhookEndpoints
from domain.delivery import DeliveryState, Redelivery
from domain.webhook import WebhookEndpoint

MOST_AT_ONCE: Final = 10_000

_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeliverCommand:
    claim: Claim
    delivery_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeliverRangeCommand:
    """Those that were made from a moment on and before another, and do not wait anyway; in one
    `state` or in any."""

    claim: Claim
    endpoint_id: UUID
    created_from: datetime
    created_before: datetime
    state: DeliveryState | None


class Redeliver:
    def __init__(self, *, once: Once, deliveries: Deliveries, endpoints: WebhookEndpoints) -> None:
        self._once = once
        self._deliveries = deliveries
        self._endpoints = endpoints

    async def __call__(self, command: RedeliverCommand) -> Answer:
        """The delivery's document, which is pending again.

        Raises WebhookDeliveryNotFound, WebhookEndpointDisabled, and all that Once does.
        """
        merchant_id = command.claim.merchant_id

        async def make(now: datetime) -> Made:
            found = await self._deliveries.get(merchant_id, command.delivery_id)
            if found is None:
                raise WebhookDeliveryNotFound
            delivery = found.delivery.ask_again(now)
            await self._enabled(merchant_id, delivery.endpoint_id)
            return Made(
                resource_type="webhook_delivery",
                resource_id=delivery.id,
                location=f"/v1/webhook-deliveries/{delivery.id}",
                body=render(delivery_document(delivery)),
                change=Redelivery(
                    merchant_id=merchant_id,
                    endpoint_id=delivery.endpoint_id,
                    delivery_id=delivery.id,
                    now=now,
                ),
                status=_OK,
            )

        return await self._once(command.claim, make)

    async def range(self, command: RedeliverRangeCommand) -> Answer:
        """How many they are.

        Raises WebhookEndpointNotFound, WebhookEndpointDisabled, TooManyDeliveries, and all that
        Once does.
        """
        merchant_id, endpoint_id = command.claim.merchant_id, command.endpoint_id
        # Held ones first: they have an index, and are few.
        ended = (DeliveryState.HELD, DeliveryState.DELIVERED)
        states = tuple(state for state in ended if command.state in (state, None))

        async def make(now: datetime) -> Made:
            await self._enabled(merchant_id, endpoint_id)
            count = 0
            for state in states:
                which = DeliveryFilter(
                    merchant_id=merchant_id,
                    endpoint_id=endpoint_id,
                    created_from=command.created_from,
                    created_before=command.created_before,
                    state=state,
                )
                count += await self._deliveries.count(which, MOST_AT_ONCE + 1 - count)
                if count > MOST_AT_ONCE:
                    raise TooManyDeliveries(
                        f"At most {MOST_AT_ONCE} deliveries are asked for at once:"
                        " name a shorter time."
                    )
            return Made(
                resource_type="webhook_endpoint",
                resource_id=endpoint_id,
                location=f"/v1/webhook-endpoints/{endpoint_id}/deliveries",
                body=render({"endpoint_id": str(endpoint_id), "count": count}),
                change=Redelivery(
                    merchant_id=merchant_id,
                    endpoint_id=endpoint_id,
                    created_from=command.created_from,
                    created_before=command.created_before,
                    states=states if count else (),
                    now=now,
                ),
                status=_OK,
            )

        return await self._once(command.claim, make)

    async def _enabled(self, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
        endpoint = await self._endpoints.get(merchant_id, endpoint_id)
        if endpoint is None:
            raise WebhookEndpointNotFound
        if not endpoint.is_enabled:
            raise WebhookEndpointDisabled
        return endpoint
