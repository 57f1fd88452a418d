"""Merchants."""

from uuid import UUID

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.reads import read
from adapters.sql.rows import api_key_to_row
from adapters.sql.tables import api_keys, merchants
from adapters.sql.writes import write
from application.ports.merchants import Merchants
from domain.merchant import ApiKey, Merchant


class SqlMerchants(Merchants):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, merchant: Merchant, first_key: ApiKey) -> None:
        row = {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at}
        await write(
            self._database,
            insert(merchants).values(row),
            insert(api_keys).values(api_key_to_row(first_key)),
        )

    async def exists(self, merchant_id: UUID) -> bool:
        return await self._is_any(merchants.c.id == merchant_id)

    async def is_empty(self) -> bool:
        return not await self._is_any()

    async def _is_any(self, *conditions: ColumnElement[bool]) -> bool:
        async def query(connection: AsyncConnection) -> bool:
            found = await connection.execute(select(merchants.c.id).where(*conditions).limit(1))
            return found.first() is not None

        return await read(self._database, query)
