"""What `application/ports/merchants.py` promises, over both databases."""

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


async def test_a_new_database_has_no_merchant(merchants: Merchants) -> None:
    assert await merchants.is_empty()
    assert not await merchants.exists(ids.new())


async def test_a_merchant_is_there_with_its_first_key(
    database: Database, merchants: Merchants
) -> None:
    merchant = a_merchant()
    key = a_new_key(merchant.id).key
    await merchants.add(merchant, key)
    assert not await merchants.is_empty()
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
