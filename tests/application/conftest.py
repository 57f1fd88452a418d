"""The use cases over real SQLite, with time and randomness held still."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from adapters.memory.api_keys import RememberedApiKeys
from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.simulated.gateway import SimulatedGateway
from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.merchants import SqlMerchants
from adapters.sql.orders import SqlOrders
from adapters.vault import AesGcmVault
from application.authenticate import Authenticate, Caller
from application.create_merchant import CreateMerchant
from application.new_api_key import ApiKeyMint
from application.once import Claim, Once
from application.place_order import PlaceOrder
from application.ports.api_keys import ApiKeys
from application.ports.idempotency import IdempotencyStore
from application.ports.merchants import Merchants
from application.ports.orders import Orders
from domain.api_key_text import KeyMode
from domain.merchant import Scope
from tests.examples import ROUTE
from tests.fakes import FakeClock, FakeIds

SECRET = b"a secret of the tests, long enough for anyone"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the use cases are made of. `merchant_id` is a merchant with one key, `key_text`."""

    database: Database
    clock: FakeClock
    ids: FakeIds
    answers: IdempotencyStore
    orders: Orders
    merchants: Merchants
    api_keys: ApiKeys
    mint: ApiKeyMint
    merchant_id: UUID
    key_id: UUID
    key_text: str

    @property
    def once(self) -> Once:
        return self.once_with(SECRET)

    def once_with(self, secret: bytes) -> Once:
        return Once(answers=self.answers, vault=AesGcmVault(secret), clock=self.clock)

    @property
    def place_order(self) -> PlaceOrder:
        return PlaceOrder(once=self.once, gateway=SimulatedGateway(), ids=self.ids)

    @property
    def authenticate(self) -> Authenticate:
        return Authenticate(api_keys=self.api_keys, clock=self.clock, mode=KeyMode.TEST)

    def caller(self, *scopes: Scope) -> Caller:
        return Caller(merchant_id=self.merchant_id, key_id=self.key_id, scopes=frozenset(scopes))

    def claim(self, key: str = "a key", /, *, route: str = ROUTE, **body: object) -> Claim:
        return Claim(merchant_id=self.merchant_id, key=key, route=route, body=body)


@pytest.fixture
async def world(sqlite_database: Database) -> AsyncIterator[World]:
    clock, ids = FakeClock(), FakeIds()
    answers = SingleFlightIdempotency(SqlIdempotencyStore(sqlite_database, clock))
    merchants = SqlMerchants(sqlite_database)
    mint = ApiKeyMint(ids=ids, mode=KeyMode.TEST)
    created = await CreateMerchant(merchants=merchants, mint=mint, ids=ids, clock=clock)("Acme")
    api_keys = RememberedApiKeys(SqlApiKeys(sqlite_database), clock)
    yield World(
        database=sqlite_database,
        clock=clock,
        ids=ids,
        answers=answers,
        orders=SqlOrders(sqlite_database),
        merchants=merchants,
        api_keys=api_keys,
        mint=mint,
        merchant_id=created.merchant.id,
        key_id=created.first_key.key.id,
        key_text=created.first_key.text,
    )
    await answers.drain()
    await api_keys.drain()
