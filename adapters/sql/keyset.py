"""Pages by position: `(created_at, id)`, both descending."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Table, bindparam, tuple_

from application.pages import Page, Position

_CREATED_AT: Final = "after_created_at"
_ID: Final = "after_id"


class _Listed(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def created_at(self) -> datetime: ...


Item = TypeVar("Item", bound=_Listed)


def after_position(
    table: Table, *, continues: bool, created_at: ColumnElement[Any] | None = None
) -> list[ColumnElement[bool]]:
    """The condition that skips everything up to a position, in a form the index answers; for the
    values of `position_values`. `created_at` is said where it is no plain column."""
    if not continues:
        return []
    columns = (table.c.created_at if created_at is None else created_at, table.c.id)
    values = (
        bindparam(_CREATED_AT, type_=table.c.created_at.type),
        bindparam(_ID, type_=table.c.id.type),
    )
    return [tuple_(*columns) < tuple_(*values)]


def position_values(after: Position | None) -> dict[str, Any]:
    return {} if after is None else {_CREATED_AT: after.created_at, _ID: after.id}


def to_page(items: Sequence[Item], limit: int) -> Page[Item]:
    """A page of at most `limit` from a query that asked for one more."""
    shown = tuple(items[:limit])
    more = len(items) > limit
    return Page(items=shown, next=Position(shown[-1].created_at, shown[-1].id) if more else None)
