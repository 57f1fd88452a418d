"""Numbering events, and making them due to whom they interest: whoever holds a merchant's row of
`event_feeds` does so for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Executable, Integer, bindparam, case, select, update

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.many_rows import add_rows
from adapters.sql.moment import Moment
from adapters.sql.present import present
from adapters.sql.reads import fetch
from adapters.sql.statement import Statement
from adapters.sql.tables import (
    UNNUMBERED,
    event_feeds,
    events,
    webhook_deliveries,
    webhook_endpoints,
)
from adapters.sql.webhook_rows import delivery_to_row, row_to_endpoint
from application.ports.clock import Clock
from application.ports.events import EventSequencer
from application.ports.faults import StorageUnavailable
from application.ports.ids import Ids
from domain.delivery import Delivery
from domain.event import EventType
from domain.webhook import EndpointStatus, WebhookEndpoint

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


_MOMENT: Final = bindparam("now", type_=Moment)
_WAKE: Final = (
    update(webhook_endpoints)
    .where(
        webhook_endpoints.c.id == bindparam("at_id"),
        webhook_endpoints.c.merchant_id == bindparam("at_merchant_id"),
    )
    # Without a condition on what it is: whoever records a turn may be about to take that back, and
    # this waits for the row until they have.
    .values(
        due_at=case(
            (webhook_endpoints.c.due_at < _MOMENT, webhook_endpoints.c.due_at), else_=_MOMENT
        )
    )
)


class _Numbered(NamedTuple):
    """An event and the number that it gets."""

    merchant_id: UUID
    event_id: UUID
    type: EventType
    number: int
    endpoint_id: UUID | None

    def interests(self, endpoint: WebhookEndpoint) -> bool:
        """A test is for the endpoint that it tests, and for no other."""
        if self.merchant_id != endpoint.merchant_id:
            return False
        if self.type is EventType.ENDPOINT_TEST:
            return self.endpoint_id == endpoint.id
        return endpoint.wants(self.type)


class SqlEventSequencer(EventSequencer):
    """On PostgreSQL each statement of the transaction sees what is committed when it begins: events
    that are looked for once the row is held are all that its last holder has left. SQLite has one
    writer."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock

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
            select(events.c.merchant_id, events.c.id, events.c.type, events.c.endpoint_id)
            .where(UNNUMBERED, events.c.merchant_id.in_(list(last)))
            # Of one moment, an order's versions in their order.
            .order_by(events.c.occurred_at, events.c.order_version)
            .limit(limit)
        )
        numbered: list[_Numbered] = []
        for merchant_id, event_id, name, endpoint_id in await connection.execute(waiting):
            last[merchant_id] += 1
            number, event_type = last[merchant_id], EventType(name)
            numbered.append(_Numbered(merchant_id, event_id, event_type, number, endpoint_id))
        if numbered:
            await _save(connection, numbered)
            await self._deliver(connection, numbered)
        return len(numbered)

    async def _deliver(self, connection: AsyncConnection, numbered: Sequence[_Numbered]) -> None:
        """One delivery for each event and each endpoint that wants it, due at once."""
        wanting = select(webhook_endpoints, present(self._database, self._clock)).where(
            webhook_endpoints.c.merchant_id.in_({each.merchant_id for each in numbered}),
            webhook_endpoints.c.status == EndpointStatus.ENABLED.value,
        )
        rows: list[dict[str, Any]] = []
        woken: list[dict[str, Any]] = []
        for row in (await connection.execute(wanting)).all():
            endpoint, now = row_to_endpoint(row._mapping), row[-1]
            due = [
                delivery_to_row(self._delivery(endpoint, each, now))
                for each in numbered
                if each.interests(endpoint)
            ]
            if due:
                rows += due
                woken.append(
                    {"at_id": endpoint.id, "at_merchant_id": endpoint.merchant_id, "now": now}
                )
        if rows:
            await add_rows(connection, webhook_deliveries, rows)
            # In one order for all who hold several.
            await connection.execute(_WAKE, sorted(woken, key=lambda each: each["at_id"]))

    def _delivery(self, endpoint: WebhookEndpoint, of: _Numbered, now: datetime) -> Delivery:
        return Delivery(
            id=self._ids.new(),
            merchant_id=of.merchant_id,
            endpoint_id=endpoint.id,
            event_id=of.event_id,
            event_type=of.type,
            sequence=of.number,
            due_at=now,
            created_at=now,
            updated_at=now,
        )


async def _save(connection: AsyncConnection, numbered: Sequence[_Numbered]) -> None:
    await connection.execute(
        _NUMBER,
        [
            {"at_id": e.event_id, "at_merchant_id": e.merchant_id, "number": e.number}
            for e in numbered
        ],
    )
    ends = {each.merchant_id: each.number for each in numbered}
    await connection.execute(
        _GO_ON, [{"at_merchant_id": each, "number": ends[each]} for each in sorted(ends)]
    )


def _feed_insert(*, on_postgresql: bool) -> Executable:
    """Of a merchant's first event. Two who make the row at once wait for each other, once."""
    # Imported when used: a process needs one of the two dialects.
    if on_postgresql:
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(event_feeds).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(event_feeds).on_conflict_do_nothing()
