"""Whose events wait for a number: found merchant by merchant, however many events one has."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, Uuid, bindparam, literal_column, select

from adapters.sql.database import Database
from adapters.sql.reads import fetch
from adapters.sql.statement import Statement
from adapters.sql.tables import UNNUMBERED, events

_BEFORE_ALL: Final = UUID(int=0)


def _next_behind(merchant_id: ColumnElement[Any]) -> Select[Any]:
    """One look into the index, past all other events of the one before."""
    found = (
        select(events.c.merchant_id)
        .where(UNNUMBERED, events.c.merchant_id > merchant_id)
        .order_by(events.c.merchant_id)
        .limit(literal_column("1"))
    )
    return select(found.scalar_subquery().label("merchant_id"))


def _behind() -> Select[Any]:
    first = _next_behind(bindparam("behind", type_=Uuid())).cte("waiting", recursive=True)
    there = first.c.merchant_id.is_not(None)
    waiting = first.union_all(_next_behind(first.c.merchant_id).where(there))
    merchant_id = waiting.c.merchant_id
    return (
        select(merchant_id).where(merchant_id.is_not(None)).limit(bindparam("limit", type_=Integer))
    )


_BEHIND: Final = Statement(_behind())


class WaitingMerchants:
    """Goes round, so that everybody comes in turn, also where there are always some who wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last = _BEFORE_ALL
        """Who came last."""

    async def next(self, limit: int) -> Sequence[UUID]:
        """At most `limit` merchants, fewer only where these are all. Raises StorageUnavailable."""
        last = self._last
        found = await self._behind(last, limit)
        if len(found) < limit and last != _BEFORE_ALL:
            from_the_first = await self._behind(_BEFORE_ALL, limit - len(found))
            found += [each for each in from_the_first if each <= last]
        self._last = found[-1] if found else _BEFORE_ALL
        return found

    async def _behind(self, merchant_id: UUID, limit: int) -> list[UUID]:
        rows = await fetch(self._database, _BEHIND, {"behind": merchant_id, "limit": limit})
        return [row["merchant_id"] for row in rows]
