"""API keys."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from adapters.sql.database import Database
from adapters.sql.keyset import after_position, position_values, to_page
from adapters.sql.reads import fetch
from adapters.sql.rows import api_key_to_row, row_to_api_key
from adapters.sql.statement import Statement
from adapters.sql.tables import api_keys
from adapters.sql.writes import write
from application.pages import Page, Position
from application.ports.api_keys import ApiKeys
from domain.merchant import ApiKey

_OWN: Final = api_keys.c.merchant_id == bindparam("merchant_id")
_WITH_PREFIX: Final = Statement(select(api_keys).where(api_keys.c.prefix == bindparam("prefix")))
_GET: Final = Statement(select(api_keys).where(api_keys.c.id == bindparam("id"), _OWN))


def _page(*, continues: bool) -> Statement:
    return Statement(
        select(api_keys)
        .where(_OWN, *after_position(api_keys, continues=continues))
        .order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )


_FIRST_PAGE: Final = _page(continues=False)
_PAGE: Final = _page(continues=True)


class SqlApiKeys(ApiKeys):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def with_prefix(self, prefix: str) -> tuple[ApiKey, ...]:
        return await self._fetch(_WITH_PREFIX, {"prefix": prefix})

    async def get(self, merchant_id: UUID, key_id: UUID) -> ApiKey | None:
        found = await self._fetch(_GET, {"id": key_id, "merchant_id": merchant_id})
        return found[0] if found else None

    async def page(self, merchant_id: UUID, after: Position | None, limit: int) -> Page[ApiKey]:
        values = {"merchant_id": merchant_id, "limit": limit + 1} | position_values(after)
        return to_page(await self._fetch(_FIRST_PAGE if after is None else _PAGE, values), limit)

    async def add(self, key: ApiKey) -> None:
        await write(self._database, insert(api_keys).values(api_key_to_row(key)))

    async def revoke(self, key: ApiKey) -> None:
        revoked_at = literal(key.revoked_at, api_keys.c.revoked_at.type)
        await write(
            self._database,
            update(api_keys)
            .where(*_is(key))
            .values(revoked_at=func.coalesce(api_keys.c.revoked_at, revoked_at)),
        )

    async def touch(self, key: ApiKey, used_at: datetime) -> None:
        later = or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < used_at)
        await write(
            self._database,
            update(api_keys).where(*_is(key), later).values(last_used_at=used_at),
        )

    def forget(self, prefix: str) -> None:
        """Nothing is remembered here."""

    async def drain(self) -> None:
        """Nothing is pending here."""

    async def _fetch(self, statement: Statement, values: dict[str, Any]) -> tuple[ApiKey, ...]:
        rows = await fetch(self._database, statement, values)
        return tuple(row_to_api_key(row) for row in rows)


def retirement(key: ApiKey) -> Update:
    """Save that a rotation replaced the key. Changes no row when somebody was faster."""
    return (
        update(api_keys)
        .where(*_is(key), api_keys.c.replaced_by.is_(None), api_keys.c.revoked_at.is_(None))
        .values(expires_at=key.expires_at, replaced_by=key.replaced_by)
    )


def _is(key: ApiKey) -> tuple[ColumnElement[bool], ...]:
    return api_keys.c.id == key.id, api_keys.c.merchant_id == key.merchant_id
