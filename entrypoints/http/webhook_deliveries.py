"""The routes of webhook deliveries."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from application.delivery_document import delivery_document, tried_delivery_document
from application.errors import WebhookDeliveryNotFound, WebhookEndpointNotFound
from application.json_text import json_text
from application.ports.deliveries import DeliveryFilter
from application.redeliver import RedeliverCommand, RedeliverRangeCommand
from application.send_test_event import SendTestEventCommand
from domain.delivery import DeliveryState
from entrypoints.http.answers import Listing, json_response, once_response
from entrypoints.http.dependencies import ContainerOf, IdempotencyKey, WebhooksManager, claim_of
from entrypoints.http.documented import (
    IDEMPOTENCY_KEY,
    KEYED,
    ONCE,
    answered,
    created,
    listed,
    problems,
    repeatable,
)
from entrypoints.http.json_body import StrictJsonRequest, StrictJsonRoute
from entrypoints.http.paths import canonical_uuid
from entrypoints.http.wire.paths import DeliveryPath, EndpointPath
from entrypoints.http.wire.webhooks import (
    RedeliveriesOut,
    RedeliverIn,
    RedeliverRangeIn,
    SendTestIn,
    TestEventOut,
    WebhookDeliveryList,
    WebhookDeliveryOut,
    WebhookDeliveryQuery,
    WebhookDeliveryWithAttemptsOut,
)

_NO_ENDPOINT: Final = "webhook_endpoint_not_found"
_NO_DELIVERY: Final = "webhook_delivery_not_found"
_DISABLED: Final = "webhook_endpoint_disabled"

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Webhooks"])


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    response_model=None,
    responses=listed(WebhookDeliveryList)
    | problems(*KEYED, _NO_ENDPOINT, "invalid_cursor", "validation_failed"),
)
async def list_webhook_deliveries(
    request: Request,
    endpoint_id: EndpointPath,
    caller: WebhooksManager,
    query: Annotated[WebhookDeliveryQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List what was or is to be delivered to an endpoint, newest first."""
    which = DeliveryFilter(
        merchant_id=caller.merchant_id,
        endpoint_id=_endpoint(endpoint_id),
        state=None if query.status is None else DeliveryState(query.status),
    )
    listing = Listing(request, caller.merchant_id, query)
    page = await container.list_deliveries()(which, after=listing.after(), limit=query.limit)
    return listing.response(page, lambda each: json_text(delivery_document(each)))


@router.get(
    "/webhook-deliveries/{delivery_id}",
    response_model=None,
    responses=answered(WebhookDeliveryWithAttemptsOut, "The delivery.")
    | problems(*KEYED, _NO_DELIVERY),
)
async def get_webhook_delivery(
    delivery_id: DeliveryPath, caller: WebhooksManager, container: ContainerOf
) -> Response:
    """Fetch a delivery with its attempts and what was answered."""
    found = await container.get_delivery()(caller.merchant_id, _delivery(delivery_id))
    return json_response(tried_delivery_document(found.delivery, found.attempts))


@router.post(
    "/webhook-deliveries/{delivery_id}/redeliver",
    response_model=None,
    responses=repeatable(WebhookDeliveryOut)
    | problems(*KEYED, *ONCE, _NO_DELIVERY, _NO_ENDPOINT, _DISABLED),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def redeliver_webhook(
    request: StrictJsonRequest,
    delivery_id: DeliveryPath,
    caller: WebhooksManager,
    key: IdempotencyKey,
    container: ContainerOf,
    _nothing: RedeliverIn | None = None,
) -> Response:
    """Deliver once more, the same event with the same id and bytes, whatever came of it before."""
    command = RedeliverCommand(
        claim=claim_of(request, caller, key), delivery_id=_delivery(delivery_id)
    )
    return once_response(await container.redeliver()(command))


@router.post(
    "/webhook-endpoints/{endpoint_id}/redeliver",
    response_model=None,
    responses=repeatable(RedeliveriesOut)
    | problems(*KEYED, *ONCE, _NO_ENDPOINT, _DISABLED, "too_many_deliveries"),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def redeliver_webhooks(
    request: StrictJsonRequest,
    endpoint_id: EndpointPath,
    caller: WebhooksManager,
    key: IdempotencyKey,
    which: RedeliverRangeIn,
    container: ContainerOf,
) -> Response:
    """Deliver once more what was made in a stretch of time: after an outage, or what is held."""
    command = RedeliverRangeCommand(
        claim=claim_of(request, caller, key),
        endpoint_id=_endpoint(endpoint_id),
        created_from=which.created_from,
        created_before=which.created_before,
        state=None if which.status is None else DeliveryState(which.status),
    )
    return once_response(await container.redeliver().range(command))


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    status_code=201,
    response_model=None,
    responses=created(TestEventOut) | problems(*KEYED, *ONCE, _NO_ENDPOINT, _DISABLED),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def send_test_webhook(
    request: StrictJsonRequest,
    endpoint_id: EndpointPath,
    caller: WebhooksManager,
    key: IdempotencyKey,
    container: ContainerOf,
    _nothing: SendTestIn | None = None,
) -> Response:
    """Send this endpoint a `webhook_endpoint.test`, whatever it asked to be told of."""
    command = SendTestEventCommand(
        claim=claim_of(request, caller, key), endpoint_id=_endpoint(endpoint_id)
    )
    return once_response(await container.send_test_event()(command))


def _endpoint(text: str) -> UUID:
    wanted = canonical_uuid(text)
    if wanted is None:
        raise WebhookEndpointNotFound
    return wanted


def _delivery(text: str) -> UUID:
    wanted = canonical_uuid(text)
    if wanted is None:
        raise WebhookDeliveryNotFound
    return wanted
