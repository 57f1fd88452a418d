"""Webhook endpoints."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    text,
    update,
)

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.keyset import after_position, position_values, to_page
from adapters.sql.reads import fetch
from adapters.sql.statement import Statement
from adapters.sql.tables import events, merchants, webhook_endpoints
from adapters.sql.webhook_rows import endpoint_event_to_row, endpoint_to_row, row_to_endpoint
from application.pages import Page, Position
from application.ports.faults import StorageUnavailable
from application.ports.webhook_endpoints import WebhookEndpoints
from domain.event import EndpointEvent
from domain.webhook import MAX_ENDPOINTS, EndpointStatus, WebhookEndpoint

_THERE: Final = text("status <> 'deleted'")
_OWN: Final = and_(webhook_endpoints.c.merchant_id == bindparam("merchant_id"), _THERE)
_GET: Final = Statement(
    select(webhook_endpoints).where(webhook_endpoints.c.id == bindparam("id"), _OWN)
)
_COUNT: Final = Statement(
    select(func.count().label("count")).select_from(webhook_endpoints).where(_OWN)
)


def _page(*, continues: bool) -> Statement:
    return Statement(
        select(webhook_endpoints)
        .where(_OWN, *after_position(webhook_endpoints, continues=continues))
        .order_by(webhook_endpoints.c.created_at.desc(), webhook_endpoints.c.id.desc())
        .limit(bindparam("limit", type_=Integer))
    )


_FIRST_PAGE: Final = _page(continues=False)
_PAGE: Final = _page(continues=True)


class SqlWebhookEndpoints(WebhookEndpoints):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, merchant_id: UUID, endpoint_id: UUID) -> WebhookEndpoint | None:
        values = {"id": endpoint_id, "merchant_id": merchant_id}
        rows = await fetch(self._database, _GET, values)
        return row_to_endpoint(rows[0]) if rows else None

    async def page(
        self, merchant_id: UUID, after: Position | None, limit: int
    ) -> Page[WebhookEndpoint]:
        values = {"merchant_id": merchant_id, "limit": limit + 1} | position_values(after)
        rows = await fetch(self._database, _FIRST_PAGE if after is None else _PAGE, values)
        return to_page([row_to_endpoint(row) for row in rows], limit)

    async def count(self, merchant_id: UUID) -> int:
        (row,) = await fetch(self._database, _COUNT, {"merchant_id": merchant_id})
        counted: int = row["count"]
        return counted

    async def save(
        self, endpoint: WebhookEndpoint, from_version: int, event: EndpointEvent | None = None
    ) -> bool:
        return await self._change(endpoint_update(endpoint, from_version), event)

    async def delete(self, merchant_id: UUID, endpoint_id: UUID) -> bool:
        return await self._change(
            update(webhook_endpoints)
            .where(*_is(merchant_id, endpoint_id), _THERE)
            .values(
                status=EndpointStatus.DELETED.value,
                secret=b"",
                previous_secret=None,
                version=webhook_endpoints.c.version + 1,
            )
        )

    async def _change(self, statement: Any, event: EndpointEvent | None = None) -> bool:
        """Whether a row was changed; the event is written only then."""
        try:
            async with self._database.transaction() as connection:
                changed = bool((await connection.execute(statement)).rowcount)
                if changed and event is not None:
                    await connection.execute(insert(events).values(endpoint_event_to_row(event)))
                return changed
        except TransactionConflict as error:
            raise StorageUnavailable("The database was too busy.") from error
        except ConnectionLost as error:
            raise StorageUnavailable("The database ended the connection.") from error


def endpoint_update(endpoint: WebhookEndpoint, from_version: int | None = None) -> Update:
    """From the version before, or the one named. Changes no row when somebody was faster."""
    before = endpoint.version - 1 if from_version is None else from_version
    return (
        update(webhook_endpoints)
        .where(*_is(endpoint.merchant_id, endpoint.id), webhook_endpoints.c.version == before)
        .values(endpoint_to_row(endpoint) | {"failing_since": _failing_since(endpoint)})
    )


def room_for_endpoint(merchant_id: UUID) -> Sequence[Update]:
    """Two statements for the transaction that adds one. The first holds the merchant's row, so that
    two who add at once come one after the other; the second, which sees what was there by then,
    changes no row where there are as many as there may be."""
    there = select(func.count()).where(webhook_endpoints.c.merchant_id == merchant_id, _THERE)
    # As it is: neither waits for those who write what belongs to the merchant, nor they for it.
    hold = (
        update(merchants)
        .where(merchants.c.id == merchant_id)
        .values(created_at=merchants.c.created_at)
    )
    return (hold, hold.where(there.scalar_subquery() < MAX_ENDPOINTS))


def _failing_since(endpoint: WebhookEndpoint) -> ColumnElement[Any]:
    """The worker's to say while the endpoint is enabled, which raises no version; who enables it,
    or gives it another URL, has it forgotten."""
    own = webhook_endpoints.c
    theirs = literal(endpoint.failing_since, own.failing_since.type)
    as_it_was = and_(own.status == EndpointStatus.ENABLED.value, own.url == endpoint.url)
    return case((as_it_was, own.failing_since), else_=theirs)


def _is(merchant_id: UUID, endpoint_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        webhook_endpoints.c.id == endpoint_id,
        webhook_endpoints.c.merchant_id == merchant_id,
    )
