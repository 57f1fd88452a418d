"""Reading: one statement, tried again once on a new connection when the first had gone stale."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.rows import Row
from adapters.sql.statement import Statement
from application.ports.faults import StorageUnavailable

_TRIES: Final = 2

Result = TypeVar("Result")


async def fetch(
    database: Database, statement: Statement, values: Mapping[str, Any]
) -> Sequence[Row]:
    """The rows that `statement`, which only reads, answers. Raises StorageUnavailable."""
    return await _twice(lambda: database.fetch(statement, values))


async def read(database: Database, query: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """What `query` answers. It must be safe to repeat. Raises StorageUnavailable."""

    async def ask() -> Result:
        async with database.statement() as connection:
            return await query(connection)

    return await _twice(ask)


async def _twice(ask: Callable[[], Awaitable[Result]]) -> Result:
    fault: Exception | None = None
    for _ in range(_TRIES):
        try:
            return await ask()
        except (ConnectionLost, TransactionConflict) as error:
            fault = error
    raise StorageUnavailable("The database ended the connection twice.") from fault
