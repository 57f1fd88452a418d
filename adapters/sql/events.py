"""Reading the feed."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import select

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.reads import read
from adapters.sql.rows import Row
from adapters.sql.tables import event_feeds, events
from application.event_document import event_text
from application.ports.events import EventFilter, EventPage, Events, ListedEvent

_WINDOW: Final = 5_000


class SqlEvents(Events):
    """At most `window` numbers are looked through for a page of some types of the whole feed: that
    there are few of them must not make it slow."""

    def __init__(self, database: Database, window: int = _WINDOW) -> None:
        self._database = database
        self._window = window

    async def page(self, which: EventFilter, after: int, limit: int) -> EventPage:
        # An order has few events, which are found without the others.
        if which.types is None or which.order_id is not None:
            return await self._whole_page(which, after, limit)
        # Read before the events are: whatever has a number by then is seen.
        numbered = await self.last_sequences([which.merchant_id])
        end = min(after + self._window, numbered.get(which.merchant_id, 0))
        page = await self._whole_page(which, after, limit, end)
        if page.has_more:
            return page
        last = max(end, after)
        return EventPage(
            items=page.items, last=last, has_more=last < numbered.get(which.merchant_id, 0)
        )

    async def last_sequences(self, merchant_ids: Iterable[UUID]) -> Mapping[UUID, int]:
        query = select(event_feeds).where(event_feeds.c.merchant_id.in_(list(merchant_ids)))

        async def ask(connection: AsyncConnection) -> dict[UUID, int]:
            found = await connection.execute(query)
            return {row.merchant_id: row.last_sequence for row in found}

        return await read(self._database, ask)

    async def _whole_page(
        self, which: EventFilter, after: int, limit: int, end: int | None = None
    ) -> EventPage:
        query = select(events).where(events.c.merchant_id == which.merchant_id)
        if which.order_id is None:
            query = query.where(events.c.sequence > after).order_by(events.c.sequence)
        else:
            # An order's versions come in the order of their numbers. By those SQLite would look
            # through the feed; of a sum it cannot, so that it finds the order.
            query = query.where(
                events.c.order_id == which.order_id, events.c.sequence + 0 > after
            ).order_by(events.c.order_version)
        if which.types is not None:
            query = query.where(events.c.type.in_([each.value for each in which.types]))
        if end is not None:
            query = query.where(events.c.sequence <= end)
        query = query.limit(limit + 1)

        async def ask(connection: AsyncConnection) -> list[ListedEvent]:
            rows = (await connection.execute(query)).mappings().all()
            return [_listed(row) for row in rows]

        found = await read(self._database, ask)
        shown = tuple(found[:limit])
        return EventPage(
            items=shown,
            last=shown[-1].sequence if shown else after,
            has_more=len(found) > limit,
        )


def _listed(row: Row) -> ListedEvent:
    """Past the OrderEvent, which would cost more than all else that a page costs."""
    text = event_text(
        event_id=row["id"],
        event_type=row["type"],
        sequence=row["sequence"],
        occurred_at=row["occurred_at"],
        order_version=row["order_version"],
        document=row["data"],
    )
    return ListedEvent(row["sequence"], row["type"], text)
