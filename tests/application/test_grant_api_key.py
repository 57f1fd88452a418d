"""An operator's way to give a merchant a key."""

from datetime import timedelta

import pytest

from application.errors import MerchantNotFound
from application.grant_api_key import GrantApiKey
from application.new_api_key import ApiKeyRequest
from domain.errors import DomainError
from domain.merchant import Scope
from tests.application.conftest import World
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

READ = frozenset({Scope.ORDERS_READ})


@pytest.fixture
def grant(world: World) -> GrantApiKey:
    return GrantApiKey(
        merchants=world.merchants, api_keys=world.api_keys, mint=world.mint, clock=world.clock
    )


async def test_a_granted_key_works_at_once(world: World, grant: GrantApiKey) -> None:
    new = await grant(world.merchant_id, ApiKeyRequest(name="till", scopes=READ))
    caller = await world.authenticate(new.text)
    assert (caller.merchant_id, caller.scopes) == (world.merchant_id, READ)


async def test_a_merchant_that_is_not_there_gets_no_key(world: World, grant: GrantApiKey) -> None:
    with pytest.raises(MerchantNotFound):
        await grant(world.ids.new(), ApiKeyRequest(name=None, scopes=READ))


@pytest.mark.parametrize("seconds", [0, -1])
async def test_an_expiry_that_is_not_in_the_future_is_refused(
    world: World, grant: GrantApiKey, seconds: int
) -> None:
    ended = NOW + timedelta(seconds=seconds)
    with pytest.raises(DomainError) as refusal:
        await grant(world.merchant_id, ApiKeyRequest(name=None, scopes=READ, expires_at=ended))
    assert refusal.value.code == "expiry_in_the_past"
