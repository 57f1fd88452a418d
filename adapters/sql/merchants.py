"""Merchants."""

from uuid import UUID

from sqlalchemy import ColumnElement, Insert, insert, select, text

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.reads import read
from adapters.sql.rows import api_key_to_row
from adapters.sql.tables import api_keys, merchants
from adapters.sql.writes import write
from application.ports.faults import StorageUnavailable
from application.ports.merchants import Merchants
from domain.merchant import ApiKey, Merchant


class SqlMerchants(Merchants):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, merchant: Merchant, first_key: ApiKey) -> None:
        await write(self._database, *_inserts(merchant, first_key))

    async def add_first(self, merchant: Merchant, first_key: ApiKey) -> bool:
        try:
            async with self._database.transaction() as connection:
                if self._database.is_postgresql:
                    # Reads stay possible; SQLite has only one writer in any case.
                    await connection.execute(text("LOCK TABLE merchants IN EXCLUSIVE MODE"))
                if await _is_any(connection):
                    return False
                for statement in _inserts(merchant, first_key):
                    await connection.execute(statement)
        except (ConnectionLost, TransactionConflict) as error:
            raise StorageUnavailable("The database was busy or went away.") from error
        return True

    async def exists(self, merchant_id: UUID) -> bool:
        return await read(
            self._database, lambda connection: _is_any(connection, merchants.c.id == merchant_id)
        )


def _inserts(merchant: Merchant, first_key: ApiKey) -> tuple[Insert, Insert]:
    row = {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at}
    return insert(merchants).values(row), insert(api_keys).values(api_key_to_row(first_key))


async def _is_any(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> bool:
    found = await connection.execute(select(merchants.c.id).where(*conditions).limit(1))
    return found.first() is not None
