"""The database and every difference between the two that Harbor speaks."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, event, make_url

from adapters.sql import faults
from adapters.sql.engine import AsyncConnection, AsyncEngine, create_async_engine
from adapters.sql.rows import Row
from adapters.sql.statement import Statement

if TYPE_CHECKING:
    from adapters.sql.driver import DriverConnections

_GRACE_SECONDS: Final = 1.0
_SQLITE_BUSY_MILLISECONDS: Final = 5_000
_SQLITE_CACHE_KIB: Final = 256
_SQLITE_READERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """`size` connections for single statements, on PostgreSQL a fourth as many more (at least one)
    for transactions; a caller waits `wait_seconds` for one, then is refused."""

    size: int = 10
    wait_seconds: float = 5.0
    connect_seconds: float = 5.0
    statement_seconds: float = 5.0
    lock_seconds: float = 2.0


class Database:
    """Connections for single statements (each stands alone) and for transactions.

    SQLite has one writer at a time: one connection is kept for that, so that writers queue here
    in order instead of polling the file's lock.
    """

    def __init__(self, url: str, limits: PoolLimits | None = None) -> None:
        parsed = make_url(url)
        limits = limits or PoolLimits()
        self._silence_seconds: Final = (
            limits.statement_seconds + limits.lock_seconds + _GRACE_SECONDS
        )
        self.is_postgresql: Final = parsed.get_backend_name() == "postgresql"
        if self.is_postgresql:
            self._writer = _postgresql_engine(parsed, limits)
            self._reader = self._writer
            self._driver = _driver_connections(parsed, limits, self._silence_seconds)
            self._alone = self._reader.execution_options(isolation_level="AUTOCOMMIT")
        else:
            self._writer = _sqlite_engine(parsed, limits, connections=1)
            event.listen(self._writer.sync_engine, "begin", _begin_immediate)
            # Nobody begins anything here. To ask for AUTOCOMMIT would cost two more statements
            # for each, and a caller that is canceled between them its connection.
            self._reader = _sqlite_engine(parsed, limits, connections=_SQLITE_READERS)
            self._alone = self._reader

    @contextmanager
    def _cutting_the_silent(self, connection: AsyncConnection) -> Iterator[None]:
        """Cut the connection when the server says nothing for longer than it may work.

        A frozen server or a lost host would otherwise keep the connection, its key and its place
        in the pool for as long as TCP has patience. Nothing is canceled, for that could end the
        wait for a standby that a commit is in: who waits learns that the connection broke, and
        finds out.
        """
        if not self.is_postgresql:
            yield
            return
        from asyncpg import InternalClientError

        driver: Any = connection.sync_connection.connection.driver_connection
        timer = asyncio.get_running_loop().call_later(self._silence_seconds, driver.terminate)
        try:
            yield
        except InternalClientError as error:
            # What the driver says of a connection that the server has just ended; SQLAlchemy lets
            # it pass.
            raise faults.of_driver(error, broken=driver.is_closed()) from error
        finally:
            timer.cancel()

    async def fetch(self, statement: Statement, values: Mapping[str, Any]) -> Sequence[Row]:
        """The rows that `statement` answers. The quickest way there is, for what every request
        does. Raises the faults of `adapters.sql.faults`."""
        if self.is_postgresql:
            return await self._driver.fetch(statement.text, statement.arguments(values))
        async with self.statement() as connection:
            return (await connection.execute(statement.core, values)).mappings().all()

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement is a transaction of its own: one round trip.

        Raises the faults of `adapters.sql.faults`.
        """
        with faults.acquiring():
            connection = await self._alone.connect()
        async with aclosing(connection):
            with faults.using(), self._cutting_the_silent(connection):
                yield connection

    @asynccontextmanager
    async def transaction(self, *, patient: bool = False) -> AsyncIterator[AsyncConnection]:
        """A read-committed transaction: committed when the block ends, rolled back when it raises.
        A `patient` one may take as long as it takes.

        Raises the faults of `adapters.sql.faults`.
        """
        with faults.acquiring():
            connection = await self._writer.connect()
        async with aclosing(connection):
            silence = nullcontext() if patient else self._cutting_the_silent(connection)
            with faults.using(), silence:
                async with connection.begin():
                    yield connection

    async def close(self) -> None:
        """Let go of all connections, of a server that says nothing after a moment."""
        for let_go in self._exits():
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_SECONDS):
                    await let_go()

    def _exits(self) -> Iterator[Callable[[], Awaitable[None]]]:
        yield self._writer.dispose
        if self.is_postgresql:
            yield self._driver.close
        else:
            yield self._reader.dispose


def _postgresql_engine(url: URL, limits: PoolLimits) -> AsyncEngine:
    return create_async_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=max(1, limits.size // 4),
        max_overflow=0,
        pool_timeout=limits.wait_seconds,
        hide_parameters=True,
        connect_args=_postgresql_session(limits),
    )


def _driver_connections(
    url: URL, limits: PoolLimits, silence_seconds: float
) -> "DriverConnections":
    # Imported here: on SQLite a process does without PostgreSQL's driver.
    from asyncpg import connect

    from adapters.sql.driver import DriverConnections

    _, where = url.get_dialect()().create_connect_args(url)
    where.pop("prepared_statement_name_func", None)
    # SQLAlchemy's word for it, which is the one that the URL has.
    if (kept := where.pop("prepared_statement_cache_size", None)) is not None:
        where["statement_cache_size"] = int(kept)
    return DriverConnections(
        partial(connect, **where, **_postgresql_session(limits)),
        size=limits.size,
        wait_seconds=limits.wait_seconds,
        silence_seconds=silence_seconds,
    )


def _postgresql_session(limits: PoolLimits) -> dict[str, Any]:
    """What the driver is told when it connects."""
    return {
        "timeout": limits.connect_seconds,
        "server_settings": {
            "application_name": "harbor",
            # Uniqueness rests on the indexes; a stricter level would turn each duplicate into an
            # error.
            "default_transaction_isolation": "read committed",
            "lock_timeout": _milliseconds(limits.lock_seconds),
            "statement_timeout": _milliseconds(limits.statement_seconds),
            # Without it a frozen process would hold its locks for ever.
            "idle_in_transaction_session_timeout": _milliseconds(limits.statement_seconds),
        },
    }


def _sqlite_engine(url: URL, limits: PoolLimits, *, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=limits.wait_seconds,
        hide_parameters=True,
        # The driver must not begin transactions on its own: with its defaults, two that read and
        # then write lose updates silently.
        connect_args={"isolation_level": None, "timeout": _SQLITE_BUSY_MILLISECONDS / 1000},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # Only the first connection to a new file has to make this switch, which the file keeps. Where
    # several come first at once, one makes it and the others find the file locked.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"busy_timeout = {_SQLITE_BUSY_MILLISECONDS}",
        # Five connections have a cache each; behind them is the system's.
        f"cache_size = -{_SQLITE_CACHE_KIB}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
