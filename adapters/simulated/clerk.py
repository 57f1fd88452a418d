"""A connection to the ledger's file, on a thread of its own: the event loop never waits for it."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from adapters.simulated.schema import SCHEMA, SCHEMA_VERSION

Found = TypeVar("Found")

_log = logging.getLogger("harbor.simulated_gateway")

_BUSY_SECONDS: Final = 10.0
"""How long one process waits for another's commit."""
_LOOK_AGAIN_SECONDS: Final = 0.01
_CACHE_KIB: Final = 256


class LedgerUnavailable(Exception):
    """The ledger's file cannot be used. What was written last may be in it or not."""


class LedgerBusy(LedgerUnavailable):
    """More is asked of the ledger than it can write; this was not taken."""


class Clerk:
    """Does one thing after the other. The file is opened, and made, when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None

    async def read(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        """Raises LedgerUnavailable."""
        return await self._on_thread(lambda: self._do(work))

    async def write(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        """All of it in one transaction, durable when this returns. Raises LedgerUnavailable."""
        return await self._on_thread(lambda: self._do(lambda books: _transact(books, work)))

    async def close(self) -> None:
        """When what was asked before is done. After that nothing is done any more."""
        try:
            await self._on_thread(self._drop)
        except LedgerUnavailable:
            return  # it is closed
        self._thread.shutdown(wait=False)

    async def _on_thread(self, work: Callable[[], Found]) -> Found:
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(self._thread, work)
        except RuntimeError as error:
            raise LedgerUnavailable("The ledger is closed.") from error
        return await done

    def _do(self, work: Callable[[sqlite3.Connection], Found]) -> Found:
        try:
            if self._connection is None:
                self._connection = _open(self._path)
            return work(self._connection)
        except Exception as error:  # whatever it was: of what is half done nothing may stay
            self._drop()
            _log.warning("the gateway's ledger cannot be used: %s", error)
            raise LedgerUnavailable(f"The ledger's file cannot be used: {error}") from error

    def _drop(self) -> None:
        """A transaction that is open ends with its connection, and leaves nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _transact(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], Found]) -> Found:
    # Immediate: what is read in here is still true when it is committed.
    connection.execute("BEGIN IMMEDIATE")
    found = work(connection)
    connection.execute("COMMIT")
    return found


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        _use_a_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        # Behind it is the system's own cache.
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_a_log(connection: sqlite3.Connection) -> None:
    """SQLite does not wait where two processes turn a new file to WAL at the same time."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_AGAIN_SECONDS)
        else:
            return


def _make_tables(connection: sqlite3.Connection) -> None:
    if _version(connection) == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    # Another process may have made them meanwhile.
    if (found := _version(connection)) == 0:
        for statement in SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    elif found != SCHEMA_VERSION:
        raise sqlite3.DatabaseError("it is of another version of Harbor")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version
