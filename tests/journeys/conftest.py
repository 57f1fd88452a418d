"""Harbor as a process, started once for each storage; each test has a merchant of its own."""

from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from anyio.from_thread import start_blocking_portal

from tests.databases import PostgresDatabases
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.server import SECRET, Harbor, HarborServer, Shop


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
        yield Harbor(tmp_path_factory.mktemp("production"), _production(url, redis_url))


@pytest.fixture(scope="session")
def sqlite_server(on_sqlite: Harbor) -> Iterator[HarborServer]:
    """Without a worker, as on PostgreSQL: an order stays as it was placed. Nor may another server
    on the same directory have one."""
    with on_sqlite.serving("--no-worker") as server:
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


@pytest.fixture(scope="session")
def embedded_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The embedded default: the server works for itself, the gateway is inside."""
    harbor = Harbor(tmp_path_factory.mktemp("shop"))
    with harbor.serving() as server:
        yield Shop(harbor=harbor, server=server, bank=harbor)


@pytest.fixture(scope="session")
def worker_shop(
    postgresql_databases: PostgresDatabases,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """PostgreSQL and a `harbor worker`, with the gateway inside it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(postgresql_databases.fresh()) as url,
    ):
        harbor = Harbor(tmp_path_factory.mktemp("shop"), _production(url, redis_url))
        with harbor.serving() as server, harbor.working():
            yield Shop(harbor=harbor, server=server, bank=harbor)


@pytest.fixture(scope="session")
def gateway_shop(
    postgresql_databases: PostgresDatabases,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """PostgreSQL, a `harbor worker` and a `harbor gateway`, each a process of its own."""
    bank = Harbor(tmp_path_factory.mktemp("bank"))
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(postgresql_databases.fresh()) as url,
        bank.gateway() as gateway,
    ):
        settings = {**_production(url, redis_url), "HARBOR_GATEWAY_URL": gateway.url}
        harbor = Harbor(tmp_path_factory.mktemp("shop"), settings)
        with harbor.serving() as server, harbor.working():
            yield Shop(harbor=harbor, server=server, bank=bank)


def _production(database_url: str, redis_url: str) -> dict[str, str]:
    return {
        "HARBOR_DATABASE_URL": database_url,
        "HARBOR_REDIS_URL": redis_url,
        "HARBOR_SECRET_KEY": SECRET,
        "HARBOR_WEBHOOK_ALLOW_LOOPBACK": "true",
    }


@pytest.fixture(scope="session", params=["embedded", "gateway"])
def shop(request: pytest.FixtureRequest) -> Shop:
    """A test that takes it, or what stands on it, runs in the smallest installation where orders
    are paid, and in the one with the most processes."""
    found: Shop = request.getfixturevalue(f"{request.param}_shop")
    return found


@pytest.fixture
async def till(shop: Shop) -> AsyncIterator[Api]:
    """A new merchant, whose orders are paid."""
    async with client_of(shop.server) as opened:
        yield Api(opened, await new_merchant(shop.harbor))


@pytest.fixture
async def other_till(shop: Shop, till: Api) -> Api:
    """Another new merchant on the same server."""
    return Api(till.client, await new_merchant(shop.harbor, "Other"))


@pytest.fixture
async def embedded_till(embedded_shop: Shop) -> AsyncIterator[Api]:
    """A new merchant, whose orders are paid; where the installation makes no difference."""
    async with client_of(embedded_shop.server) as opened:
        yield Api(opened, await new_merchant(embedded_shop.harbor))


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
