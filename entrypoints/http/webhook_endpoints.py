"""The routes of webhook endpoints."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from application.change_webhook_endpoint import ChangeWebhookEndpointCommand
from application.create_webhook_endpoint import CreateWebhookEndpointCommand
from application.errors import WebhookEndpointNotFound
from application.json_text import json_text
from application.rotate_webhook_secret import RotateWebhookSecretCommand
from application.webhook_endpoint_document import webhook_endpoint_document
from domain.webhook import EndpointStatus
from entrypoints.http.answers import Listing, json_response, once_response
from entrypoints.http.dependencies import (
    ContainerOf,
    IdempotencyKey,
    WebhooksManager,
    claim_of,
    members_of,
)
from entrypoints.http.documented import (
    ENDPOINT_LINKS,
    IDEMPOTENCY_KEY,
    KEYED,
    ONCE,
    answered,
    created,
    listed,
    problems,
    removed,
    repeatable,
)
from entrypoints.http.json_body import StrictJsonRequest, StrictJsonRoute
from entrypoints.http.paths import canonical_uuid
from entrypoints.http.wire.pages import PageQuery
from entrypoints.http.wire.paths import EndpointPath
from entrypoints.http.wire.webhooks import (
    RotateWebhookSecretIn,
    WebhookEndpointIn,
    WebhookEndpointList,
    WebhookEndpointOut,
    WebhookEndpointPatch,
    WebhookEndpointWithSecretOut,
    event_types_of,
)

_NOT_KEPT: Final = "secret_no_longer_available"
_ABSENT: Final = "webhook_endpoint_not_found"

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Webhooks"])


@router.post(
    "/webhook-endpoints",
    status_code=201,
    response_model=None,
    responses=created(WebhookEndpointWithSecretOut, ENDPOINT_LINKS)
    | problems(*KEYED, *ONCE, _NOT_KEPT, "webhook_url_refused", "too_many_webhook_endpoints"),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def create_webhook_endpoint(
    request: StrictJsonRequest,
    caller: WebhooksManager,
    key: IdempotencyKey,
    endpoint: WebhookEndpointIn,
    container: ContainerOf,
) -> Response:
    """Name a URL at which you want to be told of what happens. Its secret is in this answer and
    nowhere else; a repeat shows it again for 24 hours."""
    command = CreateWebhookEndpointCommand(
        claim=claim_of(request, caller, key),
        url=endpoint.url,
        event_types=event_types_of(endpoint.event_types),
        description=endpoint.description,
    )
    return once_response(await container.create_webhook_endpoint()(command))


@router.get(
    "/webhook-endpoints",
    response_model=None,
    responses=listed(WebhookEndpointList) | problems(*KEYED, "invalid_cursor", "validation_failed"),
)
async def list_webhook_endpoints(
    request: Request,
    caller: WebhooksManager,
    query: Annotated[PageQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List your webhook endpoints, newest first."""
    listing = Listing(request, caller.merchant_id, query)
    page = await container.list_webhook_endpoints()(
        caller.merchant_id, after=listing.after(), limit=query.limit
    )
    return listing.response(page, lambda each: json_text(webhook_endpoint_document(each)))


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    response_model=None,
    responses=answered(WebhookEndpointOut, "The endpoint.") | problems(*KEYED, _ABSENT),
)
async def get_webhook_endpoint(
    endpoint_id: EndpointPath, caller: WebhooksManager, container: ContainerOf
) -> Response:
    """Fetch a webhook endpoint, without its secret."""
    wanted = canonical_uuid(endpoint_id)
    if wanted is None:
        raise WebhookEndpointNotFound
    found = await container.get_webhook_endpoint()(caller.merchant_id, wanted)
    return json_response(webhook_endpoint_document(found))


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    response_model=None,
    responses=answered(WebhookEndpointOut, "The endpoint as it is now.")
    | problems(
        *KEYED,
        _ABSENT,
        "unsupported_media_type",
        "validation_failed",
        "webhook_url_refused",
    ),
)
async def change_webhook_endpoint(
    request: StrictJsonRequest,
    endpoint_id: EndpointPath,
    caller: WebhooksManager,
    patch: WebhookEndpointPatch,
    container: ContainerOf,
) -> Response:
    """Change a webhook endpoint, or disable or enable it. What you leave out stays as it is."""
    wanted = canonical_uuid(endpoint_id)
    if wanted is None:
        raise WebhookEndpointNotFound
    members_of(request)
    said = patch.model_dump(include=patch.model_fields_set - {"status"})
    if said.get("url", "") is None:
        del said["url"]
    if "event_types" in said:
        said["event_types"] = event_types_of(patch.event_types)
    command = ChangeWebhookEndpointCommand(
        merchant_id=caller.merchant_id,
        endpoint_id=wanted,
        changed=said,
        status=None if patch.status is None else EndpointStatus(patch.status),
    )
    return json_response(
        webhook_endpoint_document(await container.change_webhook_endpoint()(command))
    )


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    status_code=204,
    response_model=None,
    responses=removed() | problems(*KEYED, _ABSENT),
)
async def delete_webhook_endpoint(
    endpoint_id: EndpointPath, caller: WebhooksManager, container: ContainerOf
) -> Response:
    """Delete a webhook endpoint: it is told nothing more, and its secret is gone. The events stay
    in the feed."""
    wanted = canonical_uuid(endpoint_id)
    if wanted is None:
        raise WebhookEndpointNotFound
    await container.delete_webhook_endpoint()(caller.merchant_id, wanted)
    return Response(status_code=204)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    response_model=None,
    responses=repeatable(WebhookEndpointWithSecretOut)
    | problems(*KEYED, *ONCE, _NOT_KEPT, _ABSENT),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def rotate_webhook_secret(
    request: StrictJsonRequest,
    endpoint_id: EndpointPath,
    caller: WebhooksManager,
    key: IdempotencyKey,
    container: ContainerOf,
    _nothing: RotateWebhookSecretIn | None = None,
) -> Response:
    """Replace the secret. For 24 hours everything is signed with both, so that you can change from
    one to the other without a pause."""
    wanted = canonical_uuid(endpoint_id)
    if wanted is None:
        raise WebhookEndpointNotFound
    command = RotateWebhookSecretCommand(claim=claim_of(request, caller, key), endpoint_id=wanted)
    return once_response(await container.rotate_webhook_secret()(command))
