"""Fresh databases, migrated and empty, each a quick copy of one that was migrated once."""

import shutil
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from sqlalchemy import make_url, text

from adapters.sql.database import Database
from adapters.sql.migrate import migrate


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
    """On a server that may be used by others: every name is unique and nothing is left behind."""

    def __init__(self, administrator_url: str) -> None:
        self._administrator_url = administrator_url
        self._template = _unique_name()

    async def make_template(self) -> None:
        async with closing(Database(self._administrator_url)) as server:
            await _execute(server, f"CREATE DATABASE {self._template}")
        async with closing(Database(self._url(self._template))) as database:
            await migrate(database)

    async def drop_template(self) -> None:
        async with closing(Database(self._administrator_url)) as server:
            await _execute(server, f"DROP DATABASE {self._template} WITH (FORCE)")

    @asynccontextmanager
    async def fresh(self, *, migrated: bool = True) -> AsyncIterator[str]:
        name = _unique_name()
        template = self._template if migrated else "template1"
        async with closing(Database(self._administrator_url)) as server:
            await _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
            try:
                yield self._url(name)
            finally:
                await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")

    def _url(self, name: str) -> str:
        return database_at(self._administrator_url, name)


def database_at(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def _sqlite_url(file: Path) -> str:
    return f"sqlite+aiosqlite:///{file}"


def _unique_name() -> str:
    return f"harbor_test_{uuid4().hex}"


async def _execute(server: Database, statement: str) -> None:
    async with server.statement() as connection:
        await connection.execute(text(statement))
