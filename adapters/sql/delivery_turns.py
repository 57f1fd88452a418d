"""Turns of webhook endpoints: claimed and recorded with the endpoint's row held."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Integer, bindparam, func, insert, or_, select, update

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.many_rows import add_rows
from adapters.sql.moment import Moment
from adapters.sql.present import present
from adapters.sql.rows import Row
from adapters.sql.tables import (
    DUE,
    TO_HOLD,
    WAITING,
    events,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
)
from adapters.sql.webhook_rows import (
    attempt_to_row,
    body_of,
    delivery_to_row,
    endpoint_event_to_row,
    endpoint_to_row,
    row_to_delivery,
    row_to_endpoint,
)
from adapters.sql.writes import TRIES
from application.json_text import json_text
from application.ports.clock import Clock
from application.ports.delivery_turns import DeliveryTurns, DueDelivery, Outcome, Settle, Turn
from application.ports.faults import StorageUnavailable
from application.ports.ids import Ids
from application.webhook_endpoint_document import webhook_endpoint_in_event
from domain.delivery import DeliveryState, judge
from domain.event import EndpointEvent, EventType
from domain.webhook import WebhookEndpoint

_ENDPOINT: Final = webhook_endpoints.c
_DELIVERY: Final = webhook_deliveries.c

_OF_ENDPOINT: Final = (
    _DELIVERY.endpoint_id == bindparam("at_id"),
    _DELIVERY.merchant_id == bindparam("at_merchant_id"),
    WAITING,
)
_FIRST_DUE: Final = (
    select(webhook_deliveries, events.c.order_id, events.c.occurred_at, events.c.data)
    .join_from(
        webhook_deliveries,
        events,
        (events.c.merchant_id == _DELIVERY.merchant_id) & (events.c.sequence == _DELIVERY.sequence),
    )
    .where(*_OF_ENDPOINT, _DELIVERY.due_at <= bindparam("now", type_=Moment))
    .order_by(_DELIVERY.due_at, _DELIVERY.sequence)
    .limit(bindparam("limit", type_=Integer))
)
_NEXT_DUE: Final = select(func.min(_DELIVERY.due_at)).where(*_OF_ENDPOINT)
_AT: Final = (
    _ENDPOINT.id == bindparam("at_id"),
    _ENDPOINT.merchant_id == bindparam("at_merchant_id"),
)
_HOLD: Final = (
    update(webhook_endpoints)
    .where(*_AT)
    .values(fence=_ENDPOINT.fence + 1, lease_expires_at=bindparam("until"))
)
_WAKE_AT: Final = update(webhook_endpoints).where(*_AT).values(due_at=bindparam("next_due"))
_MOVING: Final = ("state", "attempts", "failures", "due_at", "updated_at")
_SAVE_DELIVERY: Final = (
    update(webhook_deliveries)
    .where(_DELIVERY.id == bindparam("at_id"), _DELIVERY.merchant_id == bindparam("at_merchant_id"))
    .values({name: bindparam(name) for name in _MOVING})
)


class SqlDeliveryTurns(DeliveryTurns):
    """On PostgreSQL rows are locked, and claims pass over what is locked; SQLite has one writer."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def claim(
        self, lease: timedelta, limit: int, deliveries: int, *, failing: bool
    ) -> Sequence[Turn]:
        now = present(self._database, self._clock)
        fails = _ENDPOINT.failing_since
        due = (
            select(webhook_endpoints, now.label("now"))
            .where(
                DUE,
                _ENDPOINT.due_at <= now,
                or_(_ENDPOINT.lease_expires_at.is_(None), _ENDPOINT.lease_expires_at <= now),
                fails.is_not(None) if failing else fails.is_(None),
            )
            .order_by(_ENDPOINT.due_at)
            .limit(limit)
        )
        try:
            async with self._database.statement() as connection:
                # Nobody begins to write for nothing, four times a second.
                if not (await connection.execute(due.limit(1))).first():
                    return ()
            async with self._database.transaction() as connection:
                held = due.with_for_update(of=webhook_endpoints, skip_locked=True)
                rows = (await connection.execute(held)).mappings().all()
                return [
                    turn
                    for row in rows
                    if (turn := await _turn(connection, row, lease, deliveries)) is not None
                ]
        except TransactionConflict:
            return ()
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error

    async def hold(self, limit: int) -> int:
        disabled = select(_ENDPOINT.id, _ENDPOINT.merchant_id).where(TO_HOLD).limit(1)
        try:
            async with self._database.statement() as connection:
                found = (await connection.execute(disabled)).first()
            if found is None:
                return 0
            async with self._database.transaction() as connection:
                return await _hold(connection, found.id, found.merchant_id, limit)
        except TransactionConflict:
            return 0
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error

    async def record(self, outcome: Outcome, settle: Settle) -> bool:
        fault: Exception | None = None
        for _ in range(TRIES):
            try:
                async with self._database.transaction() as connection:
                    return await self._record(connection, outcome, settle)
            except TransactionConflict as error:
                fault = error
            except ConnectionLost as error:
                raise StorageUnavailable("The database ended the connection.") from error
        raise StorageUnavailable("The database was too busy.") from fault

    async def _record(self, connection: AsyncConnection, outcome: Outcome, settle: Settle) -> bool:
        claimed = outcome.turn.endpoint
        mine = (
            select(webhook_endpoints, present(self._database, self._clock).label("now"))
            .where(
                _ENDPOINT.id == claimed.id,
                _ENDPOINT.merchant_id == claimed.merchant_id,
                _ENDPOINT.fence == outcome.turn.fence,
            )
            .with_for_update(of=webhook_endpoints)
        )
        row = (await connection.execute(mine)).mappings().first()
        if row is None:
            return False
        await _save_attempts(connection, outcome, settle, row["now"])
        endpoint = row_to_endpoint(row)
        judged = judge(endpoint, outcome.attempts, row["now"])
        at = _at(endpoint)
        next_due = (await connection.execute(_NEXT_DUE, at)).scalar()
        changed = {} if judged == endpoint else endpoint_to_row(judged)
        if endpoint.is_enabled and not judged.is_enabled:
            event = endpoint_event_to_row(self._disabled(judged))
            await connection.execute(insert(events).values(event))
            # Still due: somebody has to hold what waits.
            next_due = next_due or row["now"]
        await connection.execute(
            update(webhook_endpoints)
            .where(_ENDPOINT.id == endpoint.id, _ENDPOINT.merchant_id == endpoint.merchant_id)
            .values(changed | {"lease_expires_at": None, "due_at": next_due})
        )
        return True

    def _disabled(self, endpoint: WebhookEndpoint) -> EndpointEvent:
        return EndpointEvent(
            id=self._ids.new(),
            merchant_id=endpoint.merchant_id,
            endpoint_id=endpoint.id,
            type=EventType.ENDPOINT_DISABLED,
            occurred_at=endpoint.updated_at,
            document=json_text(webhook_endpoint_in_event(endpoint)),
        )


async def _hold(
    connection: AsyncConnection, endpoint_id: UUID, merchant_id: UUID, limit: int
) -> int:
    own = (_ENDPOINT.id == endpoint_id, _ENDPOINT.merchant_id == merchant_id, TO_HOLD)
    # Held still before its deliveries are, as everybody does; it may be enabled again by now.
    still = select(_ENDPOINT.id).where(*own).with_for_update()
    if (await connection.execute(still)).first() is None:
        return 0
    waiting = (_DELIVERY.endpoint_id == endpoint_id, _DELIVERY.merchant_id == merchant_id, WAITING)
    some = select(_DELIVERY.id).where(*waiting).limit(limit)
    held = await connection.execute(
        update(webhook_deliveries)
        .where(_DELIVERY.id.in_(some), *waiting)
        .values(state=DeliveryState.HELD.value)
    )
    if held.rowcount < limit:
        await connection.execute(update(webhook_endpoints).where(*own).values(due_at=None))
    return int(held.rowcount)


async def _turn(
    connection: AsyncConnection, row: Row, lease: timedelta, deliveries: int
) -> Turn | None:
    endpoint, now = row_to_endpoint(row), row["now"]
    at = _at(endpoint)
    found = await connection.execute(_FIRST_DUE, at | {"now": now, "limit": deliveries})
    due = tuple(_due(each) for each in found.mappings())
    if not due:
        next_due = (await connection.execute(_NEXT_DUE, at)).scalar()
        await connection.execute(_WAKE_AT, at | {"next_due": next_due})
        return None
    await connection.execute(_HOLD, at | {"until": now + lease})
    return Turn(endpoint=endpoint, fence=row["fence"] + 1, due=due)


def _at(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {"at_id": endpoint.id, "at_merchant_id": endpoint.merchant_id}


def _due(row: Row) -> DueDelivery:
    return DueDelivery(delivery=row_to_delivery(row), body=body_of(row), order_id=row["order_id"])


async def _save_attempts(
    connection: AsyncConnection, outcome: Outcome, settle: Settle, now: datetime
) -> None:
    if not outcome.attempts:
        return
    # As they are now: somebody may have asked for one of them again meanwhile.
    tried = select(webhook_deliveries).where(
        _DELIVERY.id.in_([each.delivery_id for each in outcome.attempts]),
        _DELIVERY.merchant_id == outcome.turn.endpoint.merchant_id,
    )
    found = (await connection.execute(tried)).mappings()
    deliveries = {row["id"]: row_to_delivery(row) for row in found}
    rows = [
        delivery_to_row(settle(deliveries[attempt.delivery_id], attempt, now))
        for attempt in outcome.attempts
    ]
    await connection.execute(_SAVE_DELIVERY, list(map(_moved, rows)))
    await add_rows(connection, webhook_attempts, [attempt_to_row(e) for e in outcome.attempts])


def _moved(row: dict[str, Any]) -> dict[str, Any]:
    at = {"at_id": row["id"], "at_merchant_id": row["merchant_id"]}
    return at | {name: row[name] for name in _MOVING}
