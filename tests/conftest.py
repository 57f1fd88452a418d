"""Real servers, started once and only when a test asks for them; a fresh database for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from hypothesis import settings
from redis.asyncio import Redis

from adapters.redis.client import redis_client
from adapters.sql.database import Database
from tests.databases import Databases, PostgresDatabases, SqliteDatabases, closing
from tests.support.postgres import running_postgres
from tests.support.redis import running_redis

# The same examples in each run, so that a red suite is the fault of the change and not of the
# dice. `pytest --hypothesis-profile=explore` throws the dice, and longer.
settings.register_profile("harbor", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile("harbor")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgresql_databases() -> Iterator[PostgresDatabases]:
    with running_postgres() as administrator_url:
        databases = PostgresDatabases(administrator_url)
        asyncio.run(databases.make_template())
        yield databases
        asyncio.run(databases.drop_all())


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    databases = SqliteDatabases(tmp_path_factory.mktemp("sqlite"))
    asyncio.run(databases.make_template())
    return databases


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Where fresh databases come from; a test that takes it runs once for each kind."""
    found: Databases = request.getfixturevalue(f"{request.param}_databases")
    return found


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    async with databases.fresh() as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated, empty database; a test that takes it runs once for each kind."""
    async with closing(Database(database_url)) as opened:
        yield opened


@pytest.fixture
async def postgresql_url(postgresql_databases: PostgresDatabases) -> AsyncIterator[str]:
    async with postgresql_databases.fresh() as url:
        yield url


@pytest.fixture
async def postgresql_database(postgresql_url: str) -> AsyncIterator[Database]:
    async with closing(Database(postgresql_url)) as opened:
        yield opened


@pytest.fixture
async def sqlite_url(sqlite_databases: SqliteDatabases) -> AsyncIterator[str]:
    async with sqlite_databases.fresh() as url:
        yield url


@pytest.fixture
async def sqlite_database(sqlite_url: str) -> AsyncIterator[Database]:
    async with closing(Database(sqlite_url)) as opened:
        yield opened


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A Redis that answers. Others may use it too: what a test writes has a name of its own."""
    async with aclosing(redis_client(redis_url)) as client:
        yield client
