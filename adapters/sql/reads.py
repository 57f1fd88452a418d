"""Reading: one statement, tried again once on a new connection when the first had gone stale."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from application.ports.faults import StorageUnavailable

_TRIES: Final = 2
_GRACE_SECONDS: Final = 2.0
"""How much longer than the server's own limit on a statement a caller waits for a server that
does not keep it, because it is frozen or unreachable."""

Result = TypeVar("Result")


async def read(database: Database, query: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """What `query` answers. It must be safe to repeat. Raises StorageUnavailable."""
    fault: Exception | None = None
    for _ in range(_TRIES):
        try:
            async with (
                asyncio.timeout(database.statement_seconds + _GRACE_SECONDS),
                database.statement() as connection,
            ):
                return await query(connection)
        except (ConnectionLost, TransactionConflict) as error:
            fault = error
        except TimeoutError as error:
            raise StorageUnavailable("The database does not answer.") from error
    raise StorageUnavailable("The database ended the connection twice.") from fault
