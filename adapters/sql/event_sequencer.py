"""Numbering events: whoever holds a merchant's row of `event_feeds` numbers its events."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, Integer, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.reads import fetch
from adapters.sql.statement import Statement
from adapters.sql.tables import UNNUMBERED, event_feeds, events
from application.ports.events import EventSequencer
from application.ports.faults import StorageUnavailable

_OLDEST: Final = Statement(
    select(events.c.merchant_id)
    .where(UNNUMBERED)
    .order_by(events.c.occurred_at)
    .limit(bindparam("limit", type_=Integer))
)
_NUMBER: Final = (
    update(events)
    .where(events.c.id == bindparam("at_id"), events.c.merchant_id == bindparam("at_merchant_id"))
    .values(sequence=bindparam("number"))
)
_GO_ON: Final = (
    update(event_feeds)
    .where(event_feeds.c.merchant_id == bindparam("at_merchant_id"))
    .values(last_sequence=bindparam("number"))
)


class SqlEventSequencer(EventSequencer):
    """On PostgreSQL each statement of the transaction sees what is committed when it begins: events
    that are looked for once the row is held are all that its last holder has left. SQLite has one
    writer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number(self, limit: int) -> int:
        rows = await fetch(self._database, _OLDEST, {"limit": limit})
        merchants = sorted({row["merchant_id"] for row in rows})
        if not merchants:
            return 0
        try:
            async with self._database.transaction() as connection:
                return await self._number(connection, merchants, limit)
        except TransactionConflict:
            return 0
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error

    async def _number(
        self, connection: AsyncConnection, merchants: Sequence[UUID], limit: int
    ) -> int:
        await connection.execute(
            _feed_insert(on_postgresql=self._database.is_postgresql),
            [{"merchant_id": each, "last_sequence": 0} for each in merchants],
        )
        held = select(event_feeds).where(event_feeds.c.merchant_id.in_(merchants))
        feeds = await connection.execute(held.with_for_update(skip_locked=True))
        last = {row.merchant_id: row.last_sequence for row in feeds}
        waiting = (
            select(events.c.merchant_id, events.c.id)
            .where(UNNUMBERED, events.c.merchant_id.in_(list(last)))
            # Of one moment, an order's versions in their order.
            .order_by(events.c.occurred_at, events.c.order_version)
            .limit(limit)
        )
        numbered: list[dict[str, Any]] = []
        for merchant_id, event_id in await connection.execute(waiting):
            last[merchant_id] += 1
            at = {"at_id": event_id, "at_merchant_id": merchant_id}
            numbered.append(at | {"number": last[merchant_id]})
        if numbered:
            await connection.execute(_NUMBER, numbered)
            reached = {each["at_merchant_id"] for each in numbered}
            ends = [{"at_merchant_id": each, "number": last[each]} for each in sorted(reached)]
            await connection.execute(_GO_ON, ends)
        return len(numbered)


def _feed_insert(*, on_postgresql: bool) -> Executable:
    """Of a merchant's first event. Two who make the row at once wait for each other, once."""
    # Imported when used: a process needs one of the two dialects.
    if on_postgresql:
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(event_feeds).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(event_feeds).on_conflict_do_nothing()
