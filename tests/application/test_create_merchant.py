"""Creating a merchant with a first API key."""

import pytest

from application.create_merchant import CreateMerchant
from domain.errors import DomainError
from domain.merchant import ALL_SCOPES, MAX_NAME_LENGTH
from tests.application.conftest import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def create(world: World) -> CreateMerchant:
    return CreateMerchant(
        merchants=world.merchants, mint=world.mint, ids=world.ids, clock=world.clock
    )


async def test_the_first_key_works_and_has_every_scope(
    world: World, create: CreateMerchant
) -> None:
    created = await create("  Müller & Söhne ")
    assert created.merchant.name == "Müller & Söhne"
    caller = await world.authenticate(created.first_key.text)
    assert (caller.merchant_id, caller.scopes) == (created.merchant.id, ALL_SCOPES)


async def test_two_merchants_may_have_one_name(create: CreateMerchant) -> None:
    assert (await create("Twin")).merchant.id != (await create("Twin")).merchant.id


@pytest.mark.parametrize("name", ["", "   ", "x" * (MAX_NAME_LENGTH + 1), "a\nb", "a\0b", "\ud800"])
async def test_a_name_nobody_can_read_is_refused(create: CreateMerchant, name: str) -> None:
    with pytest.raises(DomainError) as refusal:
        await create(name)
    assert (refusal.value.code, refusal.value.field) == ("name_invalid", "name")


async def test_there_is_a_first_merchant_only_once(create: CreateMerchant) -> None:
    assert await create.first("Late") is None
