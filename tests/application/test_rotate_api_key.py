"""Replacing an API key."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.errors import ApiKeyNotFound, ScopeMissing, Unauthenticated
from application.revoke_api_key import RevokeApiKey
from application.rotate_api_key import RotateApiKey, RotateApiKeyCommand
from domain.errors import DomainError
from domain.merchant import ALL_SCOPES, Scope
from tests.application.conftest import World
from tests.examples import a_new_key
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

AN_HOUR = timedelta(hours=1)


@pytest.fixture
def rotate(world: World) -> RotateApiKey:
    return RotateApiKey(once=world.once, api_keys=world.api_keys, mint=world.mint)


def a_command(
    world: World,
    key_id: UUID | None = None,
    overlap: timedelta = AN_HOUR,
    scopes: frozenset[Scope] = ALL_SCOPES,
    key: str = "a key",
) -> RotateApiKeyCommand:
    return RotateApiKeyCommand(
        claim=world.claim(key, route=f"POST /v1/api-keys/{key_id}/rotate"),
        caller=world.caller(*scopes),
        key_id=key_id or world.key_id,
        overlap=overlap,
    )


async def test_both_keys_work_for_the_overlap_and_then_only_the_new_one(
    world: World, rotate: RotateApiKey
) -> None:
    new_text = json.loads((await rotate(a_command(world))).body)["api_key"]
    world.clock.advance(AN_HOUR - timedelta(seconds=1))
    assert (await world.authenticate(world.key_text)).key_id == world.key_id
    assert (await world.authenticate(new_text)).key_id != world.key_id
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await world.authenticate(world.key_text)
    assert (await world.authenticate(new_text)).scopes == ALL_SCOPES


async def test_without_an_overlap_the_old_key_ends_at_once(
    world: World, rotate: RotateApiKey
) -> None:
    await world.authenticate(world.key_text)
    await rotate(a_command(world, overlap=timedelta(0)))
    with pytest.raises(Unauthenticated):
        await world.authenticate(world.key_text)


async def test_the_successor_has_name_scopes_and_expiry_of_the_old_key(
    world: World, rotate: RotateApiKey
) -> None:
    end = NOW + timedelta(days=9)
    old = a_new_key(
        world.merchant_id, name="till", scopes=frozenset({Scope.ORDERS_READ}), expires_at=end
    ).key
    await world.api_keys.add(old)
    document = json.loads((await rotate(a_command(world, old.id))).body)
    new = await world.api_keys.get(world.merchant_id, UUID(document["id"]))
    assert new is not None
    assert (new.name, new.scopes, new.expires_at) == (old.name, old.scopes, end)
    assert new.digest != old.digest


async def test_a_key_that_ends_before_the_overlap_does_is_not_prolonged(
    world: World, rotate: RotateApiKey
) -> None:
    old = a_new_key(world.merchant_id, expires_at=NOW + timedelta(minutes=1)).key
    await world.api_keys.add(old)
    successor = UUID(json.loads((await rotate(a_command(world, old.id))).body)["id"])
    kept = await world.api_keys.get(world.merchant_id, old.id)
    assert kept == replace(old, replaced_by=successor)


async def test_a_repeat_shows_the_same_successor(world: World, rotate: RotateApiKey) -> None:
    first = await rotate(a_command(world, overlap=timedelta(0)))
    # By now the old key has expired, so that rotating it anew would be refused.
    assert await rotate(a_command(world, overlap=timedelta(0))) == replace(first, replayed=True)
    assert len((await world.api_keys.page(world.merchant_id, None, 9)).items) == 2


async def test_of_many_rotations_at_once_one_makes_a_successor(
    world: World, rotate: RotateApiKey
) -> None:
    """The others see what it left, although each had read the key before."""
    commands = [
        a_command(world, key=f"key {number}", overlap=timedelta(hours=number))
        for number in range(9)
    ]
    outcomes = await asyncio.gather(
        *(rotate(command) for command in commands), return_exceptions=True
    )
    refusals = [each for each in outcomes if isinstance(each, BaseException)]
    assert len(refusals) == len(commands) - 1
    assert {each.code for each in refusals if isinstance(each, DomainError)} == {"api_key_inactive"}
    assert len((await world.api_keys.page(world.merchant_id, None, 9)).items) == 2


async def test_a_weaker_key_does_not_see_the_secret_of_a_repeat(
    world: World, rotate: RotateApiKey
) -> None:
    await rotate(a_command(world))
    with pytest.raises(ScopeMissing):
        await rotate(a_command(world, scopes=frozenset({Scope.KEYS_MANAGE})))


async def test_a_revoked_key_cannot_be_rotated(world: World, rotate: RotateApiKey) -> None:
    await RevokeApiKey(api_keys=world.api_keys, clock=world.clock)(world.merchant_id, world.key_id)
    with pytest.raises(DomainError) as refusal:
        await rotate(a_command(world))
    assert refusal.value.code == "api_key_inactive"


async def test_nobody_gets_more_scopes_by_rotating_a_stronger_key(
    world: World, rotate: RotateApiKey
) -> None:
    with pytest.raises(ScopeMissing):
        await rotate(a_command(world, scopes=frozenset({Scope.KEYS_MANAGE})))
    assert len((await world.api_keys.page(world.merchant_id, None, 9)).items) == 1


async def test_another_merchants_key_is_not_there(world: World, rotate: RotateApiKey) -> None:
    with pytest.raises(ApiKeyNotFound):
        await rotate(
            replace(
                a_command(world),
                caller=replace(world.caller(*ALL_SCOPES), merchant_id=world.ids.new()),
            )
        )
    with pytest.raises(ApiKeyNotFound):
        await rotate(a_command(world, world.ids.new()))
