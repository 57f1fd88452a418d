"""Every arrangement of adapters that stands behind the idempotency port, and the feed."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.memory.replays import RememberedAnswers
from adapters.redis.client import redis_client
from adapters.redis.idempotency import RedisReplayCache
from adapters.sql.database import Database, PoolLimits
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.events import SqlEvents
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.system import SystemClock, SystemIds
from application.ports.clock import Clock
from application.ports.events import Events, EventSequencer
from application.ports.idempotency import IdempotencyStore
from tests.contracts.feed import a_new_merchant
from tests.databases import Databases

ON_SQLITE = ("sqlite", "single flight, sqlite")
ON_POSTGRESQL = (
    "postgresql",
    "single flight, postgresql",
    "redis, single flight, postgresql",
    "remembered, redis, single flight, postgresql",
)
SECRET = b"a secret of the tests, long enough for anyone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    databases: Databases
    single_flight: bool = False
    redis_url: str | None = None
    remembered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Makes stores over one database, each as a process of its own would have it."""

    arrangement: Arrangement
    database: Database
    """For looking at the tables."""
    database_url: str
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def on_postgresql(self) -> bool:
        return self.database.is_postgresql

    def new(
        self,
        *,
        busy_seconds: float = 10.0,
        clock: Clock | None = None,
        limits: PoolLimits | None = None,
    ) -> IdempotencyStore:
        clock = clock or SystemClock()
        database = Database(self.database_url, limits)
        self.stack.push_async_callback(database.close)
        store: IdempotencyStore = SqlIdempotencyStore(database, clock, busy_seconds=busy_seconds)
        if self.arrangement.single_flight:
            flight = SingleFlightIdempotency(store, wait_seconds=busy_seconds)
            self.stack.push_async_callback(flight.drain)
            store = flight
        if self.arrangement.redis_url is not None:
            client = redis_client(self.arrangement.redis_url)
            self.stack.push_async_callback(client.aclose)
            cache = RedisReplayCache(store, client, clock, SECRET)
            self.stack.push_async_callback(cache.drain)
            store = cache
        return RememberedAnswers(store) if self.arrangement.remembered else store


@pytest.fixture(params=[*ON_SQLITE, *ON_POSTGRESQL])
def arrangement(request: pytest.FixtureRequest) -> Arrangement:
    *in_front, kind = request.param.split(", ")
    return Arrangement(
        databases=request.getfixturevalue(f"{kind}_databases"),
        single_flight="single flight" in in_front,
        redis_url=request.getfixturevalue("redis_url") if "redis" in in_front else None,
        remembered="remembered" in in_front,
    )


@pytest.fixture
async def stores(arrangement: Arrangement) -> AsyncIterator[Stores]:
    async with arrangement.databases.fresh() as url, AsyncExitStack() as stack:
        database = Database(url)
        stack.push_async_callback(database.close)
        yield Stores(arrangement=arrangement, database=database, database_url=url, stack=stack)


@pytest.fixture
def store(stores: Stores) -> IdempotencyStore:
    return stores.new()


@pytest.fixture
def events(database: Database) -> Events:
    return SqlEvents(database)


@pytest.fixture
def sequencer(database: Database) -> EventSequencer:
    return SqlEventSequencer(database, SystemIds(), SystemClock())


@pytest.fixture
async def merchant_id(database: Database) -> UUID:
    return await a_new_merchant(database)
