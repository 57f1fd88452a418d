"""Reading deliveries, and asking for them once more."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Update, case, func, or_, select, update

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.keyset import after_position, position_values, to_page
from adapters.sql.reads import read
from adapters.sql.tables import (
    HELD,
    WAITING,
    webhook_attempts,
    webhook_deliveries,
    webhook_endpoints,
)
from adapters.sql.webhook_rows import row_to_attempt, row_to_delivery
from application.pages import Page, Position
from application.ports.deliveries import Deliveries, DeliveryFilter, TriedDelivery
from domain.delivery import Delivery, DeliveryState, Redelivery
from domain.webhook import EndpointStatus

SHOWN_ATTEMPTS: Final = 20
"""Of each delivery, the last."""

_DELIVERY: Final = webhook_deliveries.c
_ATTEMPT: Final = webhook_attempts.c
_ENDPOINT: Final = webhook_endpoints.c
_IN_INDEX: Final = {DeliveryState.HELD: HELD, DeliveryState.PENDING: WAITING}


class SqlDeliveries(Deliveries):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, merchant_id: UUID, delivery_id: UUID) -> TriedDelivery | None:
        one = select(webhook_deliveries).where(
            _DELIVERY.id == delivery_id, _DELIVERY.merchant_id == merchant_id
        )
        last = (
            select(webhook_attempts)
            .where(_ATTEMPT.delivery_id == delivery_id, _ATTEMPT.merchant_id == merchant_id)
            .order_by(_ATTEMPT.number.desc())
            .limit(SHOWN_ATTEMPTS)
        )

        async def ask(connection: AsyncConnection) -> TriedDelivery | None:
            row = (await connection.execute(one)).mappings().first()
            if row is None:
                return None
            tried = (await connection.execute(last)).mappings().all()
            attempts = tuple(row_to_attempt(each) for each in reversed(tried))
            return TriedDelivery(delivery=row_to_delivery(row), attempts=attempts)

        return await read(self._database, ask)

    async def page(
        self, which: DeliveryFilter, after: Position | None, limit: int
    ) -> Page[Delivery]:
        made: ColumnElement[Any] = _DELIVERY.created_at
        if which.state is DeliveryState.PENDING and not self._database.is_postgresql:
            # SQLite, which has no statistics, would go by this column through all that there are.
            # Of an expression it cannot, so that it sorts those that wait.
            made = func.coalesce(made, made)
        beyond = after_position(webhook_deliveries, continues=after is not None, created_at=made)
        query = (
            select(webhook_deliveries)
            .where(*_asked(which, made), *beyond)
            .order_by(made.desc(), _DELIVERY.id.desc())
            .limit(limit + 1)
        )

        async def ask(connection: AsyncConnection) -> list[Delivery]:
            rows = (await connection.execute(query, position_values(after))).mappings().all()
            return [row_to_delivery(row) for row in rows]

        return to_page(await read(self._database, ask), limit)

    async def count(self, which: DeliveryFilter, limit: int) -> int:
        some = select(_DELIVERY.id).where(*_asked(which)).limit(limit).subquery()

        async def ask(connection: AsyncConnection) -> int:
            return int(
                (await connection.execute(select(func.count()).select_from(some))).scalar_one()
            )

        return await read(self._database, ask)


def redelivery_updates(asked: Redelivery, now: ColumnElement[Any]) -> Sequence[Update]:
    """The endpoint is due, and the deliveries wait again. The former changes no row when it is not
    enabled any more, and comes first: who records a turn holds the endpoint first too. `now` is the
    present by the clock of those who claim turns."""
    again = {
        "state": DeliveryState.PENDING.value,
        "failures": 0,
        "due_at": now,
        "updated_at": asked.now,
    }
    wake = (
        update(webhook_endpoints)
        .where(
            _ENDPOINT.id == asked.endpoint_id,
            _ENDPOINT.merchant_id == asked.merchant_id,
            _ENDPOINT.status == EndpointStatus.ENABLED.value,
        )
        .values(due_at=case((_ENDPOINT.due_at < now, _ENDPOINT.due_at), else_=now))
    )
    which = _which(asked)
    if which is None:
        return (wake,)
    return (wake, update(webhook_deliveries).where(*which).values(again))


def _which(asked: Redelivery) -> Sequence[ColumnElement[bool]] | None:
    own = (_DELIVERY.endpoint_id == asked.endpoint_id, _DELIVERY.merchant_id == asked.merchant_id)
    if asked.delivery_id is not None:
        return (*own, _DELIVERY.id == asked.delivery_id)
    if not asked.states:
        return None
    return (
        *own,
        _DELIVERY.created_at >= asked.created_from,
        _DELIVERY.created_at < asked.created_before,
        or_(*(_DELIVERY.state == state.value for state in asked.states)),
    )


def _asked(
    which: DeliveryFilter, created_at: ColumnElement[Any] = _DELIVERY.created_at
) -> list[Any]:
    conditions: list[Any] = [
        _DELIVERY.endpoint_id == which.endpoint_id,
        _DELIVERY.merchant_id == which.merchant_id,
    ]
    if which.created_from is not None:
        conditions.append(created_at >= which.created_from)
    if which.created_before is not None:
        conditions.append(created_at < which.created_before)
    if which.state is not None:
        # As a text where the state has an index, for a parameter says nothing to the planner.
        conditions.append(_IN_INDEX.get(which.state, _DELIVERY.state == which.state.value))
    return conditions
