"""Issuing an API key."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from application.errors import ScopeMissing
from application.issue_api_key import IssueApiKey, IssueApiKeyCommand
from application.new_api_key import ApiKeyRequest
from domain.errors import DomainError
from domain.merchant import ALL_SCOPES, Scope
from tests.application.conftest import World
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

READ = frozenset({Scope.ORDERS_READ})


@pytest.fixture
def issue(world: World) -> IssueApiKey:
    return IssueApiKey(once=world.once, mint=world.mint)


def a_command(world: World, request: ApiKeyRequest, *scopes: Scope) -> IssueApiKeyCommand:
    return IssueApiKeyCommand(
        claim=world.claim(route="POST /v1/api-keys"),
        caller=world.caller(*(scopes or ALL_SCOPES)),
        request=request,
    )


async def test_the_new_key_works_with_the_scopes_that_were_asked_for(
    world: World, issue: IssueApiKey
) -> None:
    answer = await issue(a_command(world, ApiKeyRequest(name="till", scopes=READ)))
    document = json.loads(answer.body)
    assert set(document) == {
        "id",
        "name",
        "prefix",
        "scopes",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "replaced_by",
        "api_key",
    }
    assert (document["name"], document["scopes"]) == ("till", ["orders:read"])
    assert answer.location == f"/v1/api-keys/{document['id']}"
    caller = await world.authenticate(document["api_key"])
    assert (str(caller.key_id), caller.scopes) == (document["id"], READ)


async def test_a_repeat_shows_the_same_key_again(world: World, issue: IssueApiKey) -> None:
    command = a_command(world, ApiKeyRequest(name=None, scopes=READ))
    first = await issue(command)
    assert await issue(command) == replace(first, replayed=True)
    assert len((await world.api_keys.page(world.merchant_id, None, 9)).items) == 2


async def test_nobody_hands_on_a_scope_that_they_lack(world: World, issue: IssueApiKey) -> None:
    request = ApiKeyRequest(name=None, scopes=frozenset({Scope.ORDERS_READ, Scope.ORDERS_WRITE}))
    with pytest.raises(ScopeMissing) as refusal:
        await issue(a_command(world, request, Scope.KEYS_MANAGE, Scope.ORDERS_READ))
    assert "orders:write" in refusal.value.detail
    assert len((await world.api_keys.page(world.merchant_id, None, 9)).items) == 1


@pytest.mark.parametrize("seconds", [0, -1])
async def test_an_expiry_that_is_not_in_the_future_is_refused(
    world: World, issue: IssueApiKey, seconds: int
) -> None:
    ended = NOW + timedelta(seconds=seconds)
    with pytest.raises(DomainError) as refusal:
        await issue(a_command(world, ApiKeyRequest(name=None, scopes=READ, expires_at=ended)))
    assert (refusal.value.code, refusal.value.field) == ("expiry_in_the_past", "expires_at")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb", "a\0b"])
async def test_a_name_nobody_can_read_is_refused(
    world: World, issue: IssueApiKey, name: str
) -> None:
    with pytest.raises(DomainError) as refusal:
        await issue(a_command(world, ApiKeyRequest(name=name, scopes=READ)))
    assert (refusal.value.code, refusal.value.field) == ("name_invalid", "name")


async def test_a_repeat_after_the_keys_own_expiry_still_shows_it(
    world: World, issue: IssueApiKey
) -> None:
    soon = NOW + timedelta(minutes=1)
    command = a_command(world, ApiKeyRequest(name=None, scopes=READ, expires_at=soon))
    first = await issue(command)
    world.clock.advance(timedelta(minutes=2))
    assert await issue(command) == replace(first, replayed=True)
