"""What `application/ports/merchants.py` promises, over both databases."""

import asyncio

import pytest
from sqlalchemy.exc import IntegrityError

from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import Database
from adapters.sql.merchants import SqlMerchants
from application.ports.merchants import Merchants
from tests.examples import a_merchant, a_new_key, ids

pytestmark = pytest.mark.anyio


@pytest.fixture
def merchants(database: Database) -> Merchants:
    return SqlMerchants(database)


async def test_of_many_first_merchants_one_is_added(merchants: Merchants) -> None:
    candidates = [a_merchant() for _ in range(9)]
    added = await asyncio.gather(
        *(merchants.add_first(each, a_new_key(each.id).key) for each in candidates)
    )
    assert sum(added) == 1
    assert [await merchants.exists(each.id) for each in candidates] == added


async def test_there_is_no_first_merchant_beside_another(merchants: Merchants) -> None:
    there, late = a_merchant(), a_merchant()
    await merchants.add(there, a_new_key(there.id).key)
    assert not await merchants.add_first(late, a_new_key(late.id).key)
    assert not await merchants.exists(late.id)


async def test_a_merchant_is_there_with_its_first_key(
    database: Database, merchants: Merchants
) -> None:
    merchant = a_merchant()
    key = a_new_key(merchant.id).key
    await merchants.add(merchant, key)
    assert await merchants.exists(merchant.id)
    assert not await merchants.exists(ids.new())
    assert await SqlApiKeys(database).get(merchant.id, key.id) == key


async def test_a_merchant_whose_key_cannot_be_saved_is_not_there(
    database: Database, merchants: Merchants
) -> None:
    merchant, other = a_merchant(), a_merchant()
    key = a_new_key(merchant.id).key
    await merchants.add(merchant, key)
    with pytest.raises(IntegrityError):
        await merchants.add(other, a_new_key(ids.new()).key)
    assert not await merchants.exists(other.id)
    assert (await SqlApiKeys(database).page(merchant.id, None, 9)).items == (key,)
