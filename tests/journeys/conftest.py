"""Harbor as a process, started once for each storage; each test has a merchant of its own."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from tests.databases import PostgresDatabases
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.server import SECRET, Harbor, HarborServer


@pytest.fixture(scope="session")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Harbor:
    """The embedded default."""
    return Harbor(tmp_path_factory.mktemp("embedded"))


@pytest.fixture(scope="session")
def on_postgresql(
    postgresql_databases: PostgresDatabases,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Harbor]:
    """PostgreSQL and Redis, migrated."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(postgresql_databases.fresh()) as url,
    ):
        yield Harbor(
            tmp_path_factory.mktemp("production"),
            {
                "HARBOR_DATABASE_URL": url,
                "HARBOR_REDIS_URL": redis_url,
                "HARBOR_SECRET_KEY": SECRET,
            },
        )


@pytest.fixture(scope="session")
def sqlite_server(on_sqlite: Harbor) -> Iterator[HarborServer]:
    with on_sqlite.serving() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server(on_postgresql: Harbor) -> Iterator[HarborServer]:
    with on_postgresql.serving() as server:
        yield server


@pytest.fixture(scope="session")
def second_server(on_postgresql: Harbor) -> Iterator[HarborServer]:
    """Another process on the same PostgreSQL and Redis as `postgresql_server`."""
    with on_postgresql.serving() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> str:
    """A test that takes it, or what stands on it, runs once for each storage."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def harbor(storage: str, request: pytest.FixtureRequest) -> Harbor:
    found: Harbor = request.getfixturevalue(f"on_{storage}")
    return found


@pytest.fixture(scope="session")
def server(storage: str, request: pytest.FixtureRequest) -> HarborServer:
    found: HarborServer = request.getfixturevalue(f"{storage}_server")
    return found


@pytest.fixture
async def client(server: HarborServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(server) as opened:
        yield opened


@pytest.fixture
async def api(harbor: Harbor, client: httpx2.AsyncClient) -> Api:
    """A new merchant."""
    return Api(client, await new_merchant(harbor))


@pytest.fixture
async def other(harbor: Harbor, client: httpx2.AsyncClient) -> Api:
    """Another new merchant on the same server."""
    return Api(client, await new_merchant(harbor, "Other"))


@pytest.fixture
async def sqlite_api(on_sqlite: Harbor, sqlite_server: HarborServer) -> AsyncIterator[Api]:
    """A new merchant, where the storage makes no difference."""
    async with client_of(sqlite_server) as opened:
        yield Api(opened, await new_merchant(on_sqlite))
