"""Pages by position: `(created_at, id)`, both descending."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Table, literal, tuple_

from application.pages import Page, Position


class _Listed(Protocol):
    @property
    def id(self) -> UUID: ...
    @property
    def created_at(self) -> datetime: ...


Item = TypeVar("Item", bound=_Listed)


def after_position(table: Table, after: Position | None) -> list[ColumnElement[bool]]:
    """The condition that skips everything up to the position, in a form the index answers."""
    if after is None:
        return []
    columns = (table.c.created_at, table.c.id)
    values = (
        literal(after.created_at, table.c.created_at.type),
        literal(after.id, table.c.id.type),
    )
    return [tuple_(*columns) < tuple_(*values)]


def to_page(items: Sequence[Item], limit: int) -> Page[Item]:
    """A page of at most `limit` from a query that asked for one more."""
    shown = tuple(items[:limit])
    more = len(items) > limit
    return Page(items=shown, next=Position(shown[-1].created_at, shown[-1].id) if more else None)
