"""Reading: one statement, tried again once on a new connection when the first had gone stale."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from application.ports.faults import StorageUnavailable

_TRIES: Final = 2

Result = TypeVar("Result")


async def read(database: Database, query: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """What `query` answers. It must be safe to repeat. Raises StorageUnavailable."""
    fault: Exception | None = None
    for _ in range(_TRIES):
        try:
            async with database.statement() as connection:
                return await query(connection)
        except (ConnectionLost, TransactionConflict) as error:
            fault = error
    raise StorageUnavailable("The database ended the connection twice.") from fault
