"""Who is calling."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.sql.api_keys import SqlApiKeys
from application.authenticate import USE_IS_NOTED_EVERY, Authenticate
from application.errors import ScopeMissing, Unauthenticated
from application.ports.faults import StorageUnavailable
from application.revoke_api_key import RevokeApiKey
from domain.api_key_text import KeyMode, compose
from domain.merchant import ALL_SCOPES, ApiKey, Scope
from tests.application.conftest import World
from tests.examples import a_new_key
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

A_SECOND = timedelta(seconds=1)


class CannotNote(SqlApiKeys):
    async def touch(self, key: ApiKey, used_at: datetime) -> None:
        raise StorageUnavailable("read only")


async def last_use(world: World) -> datetime | None:
    await world.api_keys.drain()
    key = await world.api_keys.get(world.merchant_id, world.key_id)
    assert key is not None
    return key.last_used_at


async def test_a_key_speaks_for_its_merchant_with_its_scopes(world: World) -> None:
    caller = await world.authenticate(world.key_text)
    assert (caller.merchant_id, caller.key_id) == (world.merchant_id, world.key_id)
    assert caller.scopes == ALL_SCOPES


async def test_two_keys_with_one_prefix_are_told_apart(world: World) -> None:
    text = world.key_text
    twin_text = compose(KeyMode.TEST, text[len("hk_test_") : -7][:8] + "0" * 24)
    twin = a_new_key(world.merchant_id, prefix=text[:16]).key
    await world.api_keys.add(replace(twin, digest=b"\0" * 32))
    assert (await world.authenticate(text)).key_id == world.key_id
    with pytest.raises(Unauthenticated):
        await world.authenticate(twin_text)


@pytest.mark.parametrize("text", ["", "hk_test_", "Bearer", "hk_test_" + "0" * 38, "\0", "é" * 46])
async def test_what_is_not_a_key_is_refused(world: World, text: str) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await world.authenticate(text)
    assert refusal.value.detail == "This is not an API key: it is mistyped or cut short."


async def test_a_key_of_the_other_mode_is_refused_with_a_hint(world: World) -> None:
    with pytest.raises(Unauthenticated) as refusal:
        await world.authenticate(compose(KeyMode.LIVE, "0" * 32))
    assert refusal.value.detail == "This is a live API key; this server takes test API keys."


async def test_an_unknown_key_is_refused(world: World) -> None:
    with pytest.raises(Unauthenticated):
        await world.authenticate(compose(KeyMode.TEST, "0" * 32))


async def test_a_revoked_key_is_refused_at_once(world: World) -> None:
    await world.authenticate(world.key_text)
    await RevokeApiKey(api_keys=world.api_keys, clock=world.clock)(world.merchant_id, world.key_id)
    with pytest.raises(Unauthenticated):
        await world.authenticate(world.key_text)


async def test_a_key_is_refused_from_the_moment_it_expires(world: World) -> None:
    new = a_new_key(world.merchant_id, expires_at=NOW + A_SECOND)
    await world.api_keys.add(new.key)
    assert (await world.authenticate(new.text)).key_id == new.key.id
    world.clock.advance(A_SECOND)
    with pytest.raises(Unauthenticated):
        await world.authenticate(new.text)


async def test_the_last_use_is_noted_once_a_minute(world: World) -> None:
    assert await last_use(world) is None
    await world.authenticate(world.key_text)
    assert await last_use(world) == NOW
    world.clock.advance(USE_IS_NOTED_EVERY - A_SECOND)
    await world.authenticate(world.key_text)
    assert await last_use(world) == NOW
    world.clock.advance(A_SECOND)
    await world.authenticate(world.key_text)
    assert await last_use(world) == NOW + USE_IS_NOTED_EVERY


async def test_a_use_that_cannot_be_noted_is_allowed_all_the_same(world: World) -> None:
    api_keys = CannotNote(world.database)
    authenticate = Authenticate(api_keys=api_keys, clock=world.clock, mode=KeyMode.TEST)
    assert (await authenticate(world.key_text)).key_id == world.key_id


async def test_a_missing_scope_is_named(world: World) -> None:
    caller = world.caller(Scope.ORDERS_READ)
    caller.require(Scope.ORDERS_READ)
    with pytest.raises(ScopeMissing) as refusal:
        caller.require(Scope.ORDERS_READ, Scope.ORDERS_WRITE)
    assert "orders:write" in refusal.value.detail
    assert "orders:read" not in refusal.value.detail
