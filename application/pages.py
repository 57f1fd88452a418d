"""A page of a list that is walked by position, never by offset."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the last item's moment (aware UTC, microseconds) and id."""

    created_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """`next` is the position to go on from, None on the last page."""

    items: tuple[Item, ...]
    next: Position | None
