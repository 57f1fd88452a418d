"""Revoking an API key."""

from datetime import timedelta

import pytest

from application.errors import ApiKeyNotFound
from application.revoke_api_key import RevokeApiKey
from tests.application.conftest import World
from tests.fakes import NOW

pytestmark = pytest.mark.anyio


@pytest.fixture
def revoke(world: World) -> RevokeApiKey:
    return RevokeApiKey(api_keys=world.api_keys, clock=world.clock)


async def test_revoking_twice_keeps_the_first_moment(world: World, revoke: RevokeApiKey) -> None:
    await revoke(world.merchant_id, world.key_id)
    world.clock.advance(timedelta(hours=1))
    await revoke(world.merchant_id, world.key_id)
    key = await world.api_keys.get(world.merchant_id, world.key_id)
    assert key is not None
    assert key.revoked_at == NOW


async def test_another_merchants_key_is_not_there(world: World, revoke: RevokeApiKey) -> None:
    with pytest.raises(ApiKeyNotFound):
        await revoke(world.ids.new(), world.key_id)
    with pytest.raises(ApiKeyNotFound):
        await revoke(world.merchant_id, world.ids.new())
    assert (await world.authenticate(world.key_text)).key_id == world.key_id
