"""SQLAlchemy's Core awaited: its engine and its connection, on an asyncio driver.

`sqlalchemy.ext.asyncio` gives the same and brings the whole ORM, which is a tenth of a server's
memory and of its start. This is the part of it that Harbor uses, on the bridge that it stands on.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeVar

from sqlalchemy import URL, Connection, CursorResult, Dialect, Engine, Executable, create_engine
from sqlalchemy.util import greenlet_spawn

_Result = TypeVar("_Result")


class AsyncConnection:
    """A connection of the pool: `aclose` gives it back."""

    __slots__ = ("sync_connection",)

    def __init__(self, connection: Connection) -> None:
        self.sync_connection: Final = connection

    @property
    def dialect(self) -> Dialect:
        """The database's."""
        return self.sync_connection.dialect

    async def execute(
        self, statement: Executable, values: Any = None
    ) -> CursorResult[*tuple[Any, ...]]:
        """All rows are here when it returns. A list of `values` runs the statement for each."""
        return await greenlet_spawn(self.sync_connection.execute, statement, values)

    async def scalar(self, statement: Executable, values: Any = None) -> Any:
        """The first column of the first row; None when there is no row."""
        return await greenlet_spawn(self.sync_connection.scalar, statement, values)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        transaction = await greenlet_spawn(self.sync_connection.begin)
        transaction.__enter__()
        try:
            yield
        except BaseException as error:
            await greenlet_spawn(transaction.__exit__, type(error), error, error.__traceback__)
            raise
        await greenlet_spawn(transaction.__exit__, None, None, None)

    async def run_sync(self, work: Callable[[Connection], _Result]) -> _Result:
        """What `work` returns, which talks to the database as if it blocked."""
        return await greenlet_spawn(work, self.sync_connection)

    async def aclose(self) -> None:
        """Give it back; what was begun on it and not committed is rolled back."""
        await greenlet_spawn(self.sync_connection.close)


class AsyncEngine:
    """A pool of connections of an asyncio driver."""

    __slots__ = ("sync_engine",)

    def __init__(self, engine: Engine) -> None:
        self.sync_engine: Final = engine

    def execution_options(self, **options: Any) -> Self:
        """The same pool, with other options."""
        return type(self)(self.sync_engine.execution_options(**options))

    async def connect(self) -> AsyncConnection:
        """Wait for a connection of the pool."""
        return AsyncConnection(await greenlet_spawn(self.sync_engine.connect))

    async def dispose(self) -> None:
        """Close the connections that nobody has."""
        await greenlet_spawn(self.sync_engine.dispose)


def create_async_engine(url: URL, **options: Any) -> AsyncEngine:
    """What SQLAlchemy's own takes; `url` names an asyncio driver."""
    return AsyncEngine(create_engine(url, **options))
