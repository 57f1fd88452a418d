"""PostgreSQL's driver without anything in between, for the statements that every request runs."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncpg

from adapters.sql import faults
from application.ports.faults import StorageUnavailable

_FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""An InternalClientError is what the driver says of a connection that the server has just ended."""

Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]


class DriverConnections:
    """At most `size` connections, made when they are needed and kept. Each statement is a
    transaction of its own: one round trip, for nothing has to be reset after it.

    (asyncpg's own pool makes a task and two proxies for each use, which costs as much as a
    statement's encoding.)
    """

    def __init__(
        self, connect: Connect, *, size: int, wait_seconds: float, silence_seconds: float
    ) -> None:
        """A caller waits `wait_seconds` for a connection; one on which the server says nothing for
        `silence_seconds` is cut."""
        self._connect = connect
        self._wait_seconds = wait_seconds
        self._silence_seconds = silence_seconds
        self._places: Final = asyncio.Semaphore(size)
        self._idle: list[asyncpg.Connection[Any]] = []
        self._closed = False

    async def fetch(self, text: str, arguments: Sequence[Any]) -> list[asyncpg.Record]:
        """The rows that the statement answers. Raises the faults of `adapters.sql.faults`."""
        connection = await self._take()
        silence = asyncio.get_running_loop().call_later(self._silence_seconds, connection.terminate)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(text, *arguments)
        except asyncio.CancelledError:
            # The driver is still busy with what nobody waits for any more.
            connection.terminate()
            raise
        except _FAILURES as error:
            raise faults.of_driver(error, broken=connection.is_closed()) from error
        finally:
            silence.cancel()
            self._give_back(connection)
        return rows

    async def _take(self) -> "asyncpg.Connection[Any]":
        await self._find_a_place()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    return connection
            return await self._connect()
        except BaseException as error:
            self._places.release()
            if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
                raise StorageUnavailable(faults.UNREACHABLE) from error
            raise

    async def _find_a_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise StorageUnavailable(faults.UNREACHABLE) from error

    def _give_back(self, connection: "asyncpg.Connection[Any]") -> None:
        if self._closed:
            connection.terminate()
        elif not connection.is_closed():
            self._idle.append(connection)
        self._places.release()

    async def close(self) -> None:
        """What is in use ends first, and is closed when it comes back."""
        self._closed = True
        idle, self._idle = self._idle, []
        try:
            for connection in idle:
                await connection.close()
        finally:
            # A server that does not answer one goodbye is not told the others.
            for connection in idle:
                connection.terminate()
