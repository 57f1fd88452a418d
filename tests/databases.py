"""Fresh databases, migrated and empty, each a quick copy of one that was migrated once."""

import shutil
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid4

from sqlalchemy import column, delete, func, make_url, select, table, text

from adapters.sql.database import Database
from adapters.sql.migrate import migrate
from adapters.sql.tables import (
    events,
    idempotency_keys,
    metadata,
    orders,
    payment_operations,
)

_SESSIONS = table("pg_stat_activity", column("pid"), column("datname"))
RECORDED = (idempotency_keys, orders, payment_operations, events)


@asynccontextmanager
async def closing(database: Database) -> AsyncIterator[Database]:
    try:
        yield database
    finally:
        await database.close()


class Databases(Protocol):
    @abstractmethod
    def fresh(self, *, migrated: bool = True) -> AbstractAsyncContextManager[str]:
        """The URL of a database that nobody else has, gone when the block ends."""


class SqliteDatabases(Databases):
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._template = directory / "template.db"

    async def make_template(self) -> None:
        async with closing(Database(_sqlite_url(self._template))) as database:
            await migrate(database)

    @asynccontextmanager
    async def fresh(self, *, migrated: bool = True) -> AsyncIterator[str]:
        file = self._directory / f"{uuid4().hex}.db"
        if migrated:
            shutil.copy(self._template, file)
        yield _sqlite_url(file)


class PostgresDatabases(Databases):
    """On a server that may be used by others: every name is unique and nothing is left behind.

    To create a database takes some hundred files, so that one which was used is emptied and given
    to the next test.
    """

    def __init__(self, administrator_url: str) -> None:
        self._administrator_url = administrator_url
        self._template = _unique_name()
        self._spare: list[str] = []

    async def make_template(self) -> None:
        await self._administer(f"CREATE DATABASE {self._template}")
        async with closing(Database(self._url(self._template))) as database:
            await migrate(database)

    async def drop_all(self) -> None:
        await self._administer(
            *(f"DROP DATABASE {name} WITH (FORCE)" for name in (self._template, *self._spare))
        )

    @asynccontextmanager
    async def fresh(self, *, migrated: bool = True) -> AsyncIterator[str]:
        name = self._spare.pop() if migrated and self._spare else await self._create(migrated)
        try:
            yield self._url(name)
        finally:
            if migrated:
                await self._empty(name)
                self._spare.append(name)
            else:
                await self._administer(f"DROP DATABASE {name} WITH (FORCE)")

    async def _create(self, migrated: bool) -> str:
        name = _unique_name()
        template = self._template if migrated else "template1"
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def _empty(self, name: str) -> None:
        others = select(func.pg_terminate_backend(_SESSIONS.c.pid)).where(
            _SESSIONS.c.datname == name, _SESSIONS.c.pid != func.pg_backend_pid()
        )
        async with closing(Database(self._url(name))) as database, database.transaction() as used:
            await used.execute(others)
            for table in reversed(metadata.sorted_tables):
                await used.execute(delete(table))

    async def _administer(self, *statements: str) -> None:
        async with closing(Database(self._administrator_url)) as server:
            for statement in statements:
                async with server.statement() as connection:
                    await connection.execute(text(statement))

    def _url(self, name: str) -> str:
        return database_at(self._administrator_url, name)


def database_at(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _sqlite_url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def _unique_name() -> str:
    return f"harbor_test_{uuid4().hex}"


async def saved(database: Database, merchant_id: UUID) -> dict[str, int]:
    """How many rows the merchant has in each table that recording writes to."""
    numbers = {}
    async with database.statement() as connection:
        for recorded in RECORDED:
            query = select(func.count()).where(recorded.c.merchant_id == merchant_id)
            numbers[recorded.name] = await connection.scalar(query) or 0
    return numbers


def each(number: int) -> dict[str, int]:
    """What `saved` finds after `number` orders were placed."""
    return {recorded.name: number for recorded in RECORDED}
