"""The routes of API keys."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from application.api_key_document import api_key_document
from application.errors import ApiKeyNotFound
from application.issue_api_key import IssueApiKeyCommand
from application.json_text import json_text
from application.rotate_api_key import RotateApiKeyCommand
from entrypoints.http.answers import Listing, once_response
from entrypoints.http.dependencies import ContainerOf, IdempotencyKey, KeysManager, claim_of
from entrypoints.http.documented import (
    API_KEY_LINKS,
    IDEMPOTENCY_KEY,
    KEYED,
    ONCE,
    created,
    listed,
    problems,
    removed,
)
from entrypoints.http.json_body import StrictJsonRequest, StrictJsonRoute
from entrypoints.http.paths import canonical_uuid
from entrypoints.http.wire.api_keys import ApiKeyIn, ApiKeyList, ApiKeyWithSecretOut, RotateApiKeyIn
from entrypoints.http.wire.pages import PageQuery
from entrypoints.http.wire.paths import ApiKeyPath

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["API keys"])


@router.post(
    "/api-keys",
    status_code=201,
    response_model=None,
    responses=created(ApiKeyWithSecretOut, API_KEY_LINKS)
    | problems(*KEYED, *ONCE, "secret_no_longer_available", "expiry_in_the_past", "name_invalid"),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def issue_api_key(
    request: StrictJsonRequest,
    caller: KeysManager,
    key: IdempotencyKey,
    api_key: ApiKeyIn,
    container: ContainerOf,
) -> Response:
    """Issue an API key. Its secret is in this answer and nowhere else; a repeat shows it again
    for 24 hours. A key cannot hand on a scope that it lacks."""
    claim = claim_of(request, caller, key)
    command = IssueApiKeyCommand(claim=claim, caller=caller, request=api_key.to_request())
    return once_response(await container.issue_api_key()(command))


@router.get(
    "/api-keys",
    response_model=None,
    responses=listed(ApiKeyList) | problems(*KEYED, "invalid_cursor", "validation_failed"),
)
async def list_api_keys(
    request: Request,
    caller: KeysManager,
    query: Annotated[PageQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List your API keys, newest first: prefixes, scopes, last use and expiry, never a secret."""
    listing = Listing(request, caller.merchant_id, query)
    page = await container.list_api_keys()(
        caller.merchant_id, after=listing.after(), limit=query.limit
    )
    return listing.response(page, lambda key: json_text(api_key_document(key)))


@router.delete(
    "/api-keys/{key_id}",
    status_code=204,
    response_model=None,
    responses=removed() | problems(*KEYED, "api_key_not_found"),
)
async def revoke_api_key(
    key_id: ApiKeyPath, caller: KeysManager, container: ContainerOf
) -> Response:
    """Revoke an API key, at once. Revoking it again changes nothing."""
    wanted = canonical_uuid(key_id)
    if wanted is None:
        raise ApiKeyNotFound
    await container.revoke_api_key()(caller.merchant_id, wanted)
    return Response(status_code=204)


@router.post(
    "/api-keys/{key_id}/rotate",
    status_code=201,
    response_model=None,
    responses=created(ApiKeyWithSecretOut, API_KEY_LINKS)
    | problems(
        *KEYED, *ONCE, "api_key_not_found", "api_key_inactive", "secret_no_longer_available"
    ),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def rotate_api_key(
    request: StrictJsonRequest,
    key_id: ApiKeyPath,
    caller: KeysManager,
    key: IdempotencyKey,
    container: ContainerOf,
    rotation: RotateApiKeyIn | None = None,
) -> Response:
    """Replace an API key by a new one with the same name, scopes and expiry. The old one works on
    for `overlap_seconds`, a day if you do not say."""
    wanted = canonical_uuid(key_id)
    if wanted is None:
        raise ApiKeyNotFound
    claim = claim_of(request, caller, key)
    overlap = timedelta(seconds=(rotation or RotateApiKeyIn()).overlap_seconds)
    command = RotateApiKeyCommand(claim=claim, caller=caller, key_id=wanted, overlap=overlap)
    return once_response(await container.rotate_api_key()(command))
