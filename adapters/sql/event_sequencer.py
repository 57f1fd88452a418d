"""Numbering events, and making them due to whom they interest: whoever holds a merchant's row of
`event_feeds` does so for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Executable, Integer, bindparam, case, select, update

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.many_rows import add_rows
from adapters.sql.moment import Moment
from adapters.sql.present import present
from adapters.sql.tables import (
    UNNUMBERED,
    event_feeds,
    events,
    webhook_deliveries,
    webhook_endpoints,
)
from adapters.sql.waiting_merchants import WaitingMerchants
from adapters.sql.webhook_rows import delivery_to_row, row_to_endpoint
from application.ports.clock import Clock
from application.ports.events import EventSequencer
from application.ports.faults import StorageUnavailable
from application.ports.ids import Ids
from domain.delivery import Delivery
from domain.event import EventType
from domain.webhook import EndpointStatus, WebhookEndpoint

_MERCHANTS: Final = 20
"""Of one transaction."""
_DELIVERIES: Final = 2_000
"""Of one transaction, so that it is short for the event loop too. For each merchant these are
more than an event of his may make."""
_FRUITLESS: Final = 8
"""Looks at merchants of whom others are taking care; then somebody else's turn is over soon."""

_OLDEST: Final = (
    select(events.c.merchant_id, events.c.id, events.c.type, events.c.endpoint_id)
    .where(UNNUMBERED, events.c.merchant_id == bindparam("at_merchant_id"))
    # Of one moment, an order's versions in their order.
    .order_by(events.c.occurred_at, events.c.order_version)
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


class _Waiting(NamedTuple):
    """An event that has no number yet."""

    merchant_id: UUID
    event_id: UUID
    type: EventType
    endpoint_id: UUID | None

    def interests(self, endpoint: WebhookEndpoint) -> bool:
        """A test is for the endpoint that it tests, and for no other."""
        if self.type is EventType.ENDPOINT_TEST:
            return self.endpoint_id == endpoint.id
        return endpoint.wants(self.type)


class _Numbered(NamedTuple):
    """An event, the number that it gets, and the endpoints that want it."""

    event: _Waiting
    number: int
    wanted_by: Sequence[WebhookEndpoint]


class _Endpoints(NamedTuple):
    """Those that are enabled, by merchant, at a moment."""

    now: datetime
    of: Mapping[UUID, Sequence[WebhookEndpoint]]


class _Batch(NamedTuple):
    """What a transaction has numbered, and whether there may be more."""

    numbered: int
    has_more: bool


class SqlEventSequencer(EventSequencer):
    """On PostgreSQL each statement of the transaction sees what is committed when it begins: events
    that are looked for once the row is held are all that its last holder has left. SQLite has one
    writer.

    Each transaction is for some merchants, with a share for each, so that none keeps the others
    waiting however much happens to him."""

    def __init__(self, database: Database, ids: Ids, clock: Clock) -> None:
        self._database = database
        self._ids = ids
        self._clock = clock
        self._waiting = WaitingMerchants(database)

    async def number(self, limit: int) -> int:
        numbered = fruitless = 0
        more = True
        while more and numbered < limit and fruitless < _FRUITLESS:
            count, more = await self._batch(limit - numbered)
            numbered += count
            fruitless = 0 if count else fruitless + 1
        return numbered

    async def _batch(self, limit: int) -> _Batch:
        most = min(limit, _MERCHANTS)
        merchants = sorted(await self._waiting.next(most))
        if not merchants:
            return _Batch(0, has_more=False)
        try:
            async with self._database.transaction() as connection:
                count, left = await self._number(connection, merchants, limit)
        except TransactionConflict:
            return _Batch(0, has_more=False)
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error
        return _Batch(count, has_more=left or len(merchants) == most)

    async def _number(
        self, connection: AsyncConnection, merchants: Sequence[UUID], limit: int
    ) -> _Batch:
        last = await self._held(connection, merchants)
        if not last:
            return _Batch(0, has_more=False)
        share, deliveries = limit // len(last), _DELIVERIES // len(last)
        waiting = {each: await _oldest(connection, each, share) for each in last}
        # Read after the events are: an endpoint that was there before one is told of it.
        endpoints = await self._endpoints(connection, list(last))
        numbered: list[_Numbered] = []
        left = False
        for merchant_id, oldest in waiting.items():
            wanting = endpoints.of.get(merchant_id, ())
            taken = _taken(oldest, last[merchant_id], wanting, deliveries)
            left = left or len(taken) < len(oldest) or len(oldest) == share
            numbered += taken
        if numbered:
            await _save(connection, numbered)
            await self._deliver(connection, numbered, endpoints.now)
        return _Batch(len(numbered), has_more=left)

    async def _held(
        self, connection: AsyncConnection, merchants: Sequence[UUID]
    ) -> Mapping[UUID, int]:
        """How far they are numbered, without those whom somebody else holds."""
        await connection.execute(
            _feed_insert(on_postgresql=self._database.is_postgresql),
            [{"merchant_id": each, "last_sequence": 0} for each in merchants],
        )
        held = select(event_feeds).where(event_feeds.c.merchant_id.in_(merchants))
        feeds = await connection.execute(held.with_for_update(skip_locked=True))
        return {row.merchant_id: row.last_sequence for row in feeds}

    async def _endpoints(
        self, connection: AsyncConnection, merchants: Sequence[UUID]
    ) -> _Endpoints:
        enabled = select(webhook_endpoints, present(self._database, self._clock)).where(
            webhook_endpoints.c.merchant_id.in_(merchants),
            webhook_endpoints.c.status == EndpointStatus.ENABLED.value,
        )
        now = self._clock.now()
        found: dict[UUID, list[WebhookEndpoint]] = {}
        for row in (await connection.execute(enabled)).all():
            endpoint, now = row_to_endpoint(row._mapping), row[-1]
            found.setdefault(endpoint.merchant_id, []).append(endpoint)
        return _Endpoints(now, found)

    async def _deliver(
        self, connection: AsyncConnection, numbered: Sequence[_Numbered], now: datetime
    ) -> None:
        """One delivery for each event and each endpoint that wants it, due at once."""
        rows = [
            delivery_to_row(self._delivery(endpoint, each, now))
            for each in numbered
            for endpoint in each.wanted_by
        ]
        if not rows:
            return
        await add_rows(connection, webhook_deliveries, rows)
        woken = {row["endpoint_id"]: row["merchant_id"] for row in rows}
        await connection.execute(
            _WAKE,
            # In one order for all who hold several.
            [{"at_id": each, "at_merchant_id": woken[each], "now": now} for each in sorted(woken)],
        )

    def _delivery(self, endpoint: WebhookEndpoint, of: _Numbered, now: datetime) -> Delivery:
        return Delivery(
            id=self._ids.new(),
            merchant_id=of.event.merchant_id,
            endpoint_id=endpoint.id,
            event_id=of.event.event_id,
            event_type=of.event.type,
            sequence=of.number,
            due_at=now,
            created_at=now,
            updated_at=now,
        )


async def _oldest(connection: AsyncConnection, merchant_id: UUID, limit: int) -> list[_Waiting]:
    found = await connection.execute(_OLDEST, {"at_merchant_id": merchant_id, "limit": limit})
    return [_Waiting(row[0], row[1], EventType(row[2]), row[3]) for row in found]


def _taken(
    waiting: Sequence[_Waiting], last: int, endpoints: Sequence[WebhookEndpoint], deliveries: int
) -> list[_Numbered]:
    """Of a merchant, the first ones with the next numbers: as many as make at most so many
    deliveries, but one at least."""
    taken: list[_Numbered] = []
    for number, event in enumerate(waiting, start=last + 1):
        wanted_by = [each for each in endpoints if event.interests(each)]
        deliveries -= len(wanted_by)
        if taken and deliveries < 0:
            break
        taken.append(_Numbered(event, number, wanted_by))
    return taken


async def _save(connection: AsyncConnection, numbered: Sequence[_Numbered]) -> None:
    rows = [
        {"at_id": event.event_id, "at_merchant_id": event.merchant_id, "number": number}
        for event, number, _ in numbered
    ]
    await connection.execute(_NUMBER, rows)
    ends = {event.merchant_id: number for event, number, _ in numbered}
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
