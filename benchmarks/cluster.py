"""A PostgreSQL with a database for each contender, all made by Harbor's own migration."""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks import build
from benchmarks.processes import cpu_seconds
from tests.databases import database_at
from tests.journeys.server import SECRET, Harbor
from tests.support.postgres import postgres_server
from tests.support.server import Server

TABLES: Final = ("idempotency_keys", "orders", "payment_operations", "events")
"""What placing an order writes to."""
_TEMPLATE: Final = "bench_template"
_STEADY: Final = (
    "ALTER SYSTEM SET min_wal_size = '1GB'",
    "SELECT pg_reload_conf()",
    "SELECT pg_logical_emit_message(true, 'bench', ''), pg_switch_wal()"
    " FROM generate_series(1, 60)",
    "CHECKPOINT",
)
"""Fill about a gigabyte of write-ahead log, so that the checkpoint leaves its files to be written
anew, as they are on any server that has run for a while. A young one makes each file of 16 MB when
it needs it, and all commits wait for that."""
_SLOWER_MS: Final = 1.2
"""By how much a commit must be slower on the slow disk; the shim adds 1.5 ms."""


class ShimInactive(Exception):
    """The disk is not slower although it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A PostgreSQL. In each of its databases there is the same merchant."""

    url: str
    merchant_id: str
    api_key: str
    postmaster: int

    def create(self, name: str) -> str:
        """The URL of a new database, migrated and empty."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.url_of(name)

    def url_of(self, database: str) -> str:
        return database_at(self.url, database)

    def run(self, *statements: str, database: str | None = None) -> list[Any]:
        """Execute statements one by one; the rows of the last."""
        url = self.url if database is None else database_at(self.url, database)
        return asyncio.run(_execute(url, statements))

    def empty(self, *databases: str) -> None:
        """Leave no orders, and nothing to be written out during what comes next."""
        for database in databases:
            self.run(truncation(), database=database)
        self.run("CHECKPOINT")

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.postmaster)


def truncation() -> str:
    """The statement that leaves no orders, nor anything that refers to one."""
    return f"TRUNCATE {', '.join(TABLES)}, payment_attempts"


def libpq_url(url: str) -> str:
    """The same without the name of a Python driver, as other languages take it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def postgres_cluster() -> Iterator[Cluster]:
    """A fresh server that loses nothing when the power fails: its settings are those it comes with,
    but for how much log it keeps (_STEADY)."""
    with postgres_server() as server:
        yield _prepared(server)


@contextmanager
def slow_disk_cluster(fast: Cluster) -> Iterator[Cluster]:
    """The same on a disk that takes 1.5 ms longer for each sync, and is shown to.

    Raises ShimInactive.
    """
    with postgres_server() as server, tempfile.TemporaryDirectory(prefix="harbor-bench-") as place:
        Path(place).chmod(0o755)
        shim = Path(place, "slow_sync.so")
        shim.write_bytes(build.slow_sync().read_bytes())
        shim.chmod(0o755)
        # There is no other way to give the server an environment; `env` becomes the server.
        recipe = server._recipe
        command = ["/usr/bin/env", f"LD_PRELOAD={shim}", *recipe.command]
        server._recipe = replace(recipe, command=command)
        server.restart()
        slow = _prepared(server)
        slower = commit_ms(slow) - commit_ms(fast)
        if slower < _SLOWER_MS:
            raise ShimInactive(f"a commit takes only {slower:.2f} ms longer")
        yield slow


def commit_ms(cluster: Cluster, commits: int = 100) -> float:
    """How long one small commit takes, with nobody else around: mostly the sync of the disk."""
    return asyncio.run(_commit_ms(cluster.url, commits))


def _prepared(server: Server) -> Cluster:
    asyncio.run(_execute(server.url, [f"CREATE DATABASE {_TEMPLATE}", *_STEADY]))
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as directory:
        harbor = Harbor(
            Path(directory),
            {
                "HARBOR_DATABASE_URL": database_at(server.url, _TEMPLATE),
                "HARBOR_SECRET_KEY": SECRET,
            },
        )
        migrated = harbor.run("migrate")
        if migrated.code != 0:
            raise RuntimeError(migrated.err)
        created = harbor.run("merchant", "create", "Acme", "--json")
        merchant = json.loads(created.out)
    # PostgreSQL writes its own number into the first line.
    ((pid_file,),) = asyncio.run(_execute(server.url, ["SELECT pg_read_file('postmaster.pid')"]))
    return Cluster(
        url=server.url,
        merchant_id=merchant["merchant_id"],
        api_key=merchant["api_key"],
        postmaster=int(pid_file.split()[0]),
    )


async def _execute(url: str, statements: Sequence[str]) -> list[Any]:
    """The rows of the last statement."""
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    rows: list[Any] = []
    try:
        async with engine.connect() as connection:
            for statement in statements:
                result = await connection.exec_driver_sql(statement)
                rows = list(result.all()) if result.returns_rows else []
    finally:
        await engine.dispose()
    return rows


async def _commit_ms(url: str, commits: int) -> float:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    clock = asyncio.get_running_loop().time
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS bench_commits (n int)")
            started = clock()
            for _ in range(commits):
                await connection.exec_driver_sql("INSERT INTO bench_commits VALUES (1)")
            return (clock() - started) / commits * 1000
    finally:
        await engine.dispose()
