"""Writing: a few statements in one transaction, tried again when another one was in the way."""

from typing import Final

from sqlalchemy.sql.dml import UpdateBase

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from application.ports.faults import StorageUnavailable

TRIES: Final = 3


async def write(database: Database, *statements: UpdateBase) -> None:
    """All of `statements` or none. They must be safe to repeat, for a connection that breaks at
    the commit is answered with StorageUnavailable whether or not it was done.

    Raises StorageUnavailable.
    """
    fault: Exception | None = None
    for _ in range(TRIES):
        try:
            async with database.transaction() as connection:
                for statement in statements:
                    await connection.execute(statement)
            return
        except TransactionConflict as error:
            fault = error
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error
    raise StorageUnavailable("The database was too busy.") from fault
