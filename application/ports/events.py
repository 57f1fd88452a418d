"""The feed: what happened to a merchant's orders, numbered from 1 without a gap.

A change writes its event without a number, for numbers that are taken while transactions run come
to light in another order, and a reader would go past the late ones. Whoever numbers them does so
when they can be seen by everybody, one merchant at a time.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.event import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events of a merchant: of one order, of some types, or all."""

    merchant_id: UUID
    order_id: UUID | None = None
    types: frozenset[EventType] | None = None


@dataclass(frozen=True, slots=True)
class ListedEvent:
    """An event as the feed shows it: `json` is its public document."""

    sequence: int
    type: str
    json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """`last` is the sequence to go on after: all up to it have been looked at."""

    items: tuple[ListedEvent, ...]
    last: int
    has_more: bool


class Events(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def page(self, which: EventFilter, after: int, limit: int) -> EventPage:
        """At most `limit` events with a sequence above `after`, the lowest first. Where a filter
        leaves little, a page may be short, or empty, and yet not the last."""

    @abstractmethod
    async def last_sequences(self, merchant_ids: Iterable[UUID]) -> Mapping[UUID, int]:
        """How far the events of each merchant are numbered; without those that have none."""


class EventSequencer(Protocol):
    @abstractmethod
    async def number(self, limit: int) -> int:
        """Give at most `limit` events the next numbers of their merchants, and answer how many that
        were; fewer where nothing waits any more, or others are taking care of it. Of a merchant the
        oldest come first, of an order those of lower versions; merchants share, so that a burst of
        one keeps nobody else waiting.

        However many do it at once, no number is given twice and none is left out, and nobody waits
        for another. Raises StorageUnavailable.
        """
