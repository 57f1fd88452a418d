"""At a small scale with every run of the suite; at full scale, with numbers to read, by
`pytest tests/proofs --full -s` or HARBOR_PROOFS=full.
"""

import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import PostgresDatabases
from tests.journeys.server import SECRET, Harbor
from tests.support.postgres import postgres_server
from tests.support.redis import redis_server
from tests.support.server import Server

Say = Callable[[str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known only when this directory is named on the command line."""
    parser.addoption("--full", action="store_true", help="Run the proofs at full scale.")


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    asked: bool = request.config.getoption("--full", default=False)
    return asked or os.environ.get("HARBOR_PROOFS") == "full"


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Tell whoever watches with `-s`."""
    name = request.node.name.removeprefix("test_").replace("_", " ")

    def write(text: str) -> None:
        sys.stdout.write(f"\n[{name}] {text}")
        sys.stdout.flush()

    return write


@pytest.fixture
def redis() -> Iterator[Server]:
    """A Redis that the test may kill."""
    with redis_server() as server:
        yield server


def production(directory: Path, database_url: str, redis_url: str) -> Harbor:
    return Harbor(
        directory,
        {
            "HARBOR_DATABASE_URL": database_url,
            "HARBOR_REDIS_URL": redis_url,
            "HARBOR_SECRET_KEY": SECRET,
        },
    )


@pytest.fixture
async def on_postgresql(
    postgresql_databases: PostgresDatabases, redis: Server, tmp_path: Path
) -> AsyncIterator[Harbor]:
    """PostgreSQL and Redis, with a migrated database of its own."""
    async with postgresql_databases.fresh() as url:
        yield production(tmp_path, url, redis.url)


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Harbor:
    """The embedded default."""
    return Harbor(tmp_path)


@pytest.fixture(params=["sqlite", "postgresql"])
def harbor(request: pytest.FixtureRequest) -> Harbor:
    found: Harbor = request.getfixturevalue(f"on_{request.param}")
    return found


@pytest.fixture
def postgres() -> Iterator[Server]:
    """A PostgreSQL that the test may kill."""
    with postgres_server() as server:
        yield server
