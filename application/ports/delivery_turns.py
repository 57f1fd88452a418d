"""Whose turn it is to be told: endpoints that something is due for.

A turn is one endpoint's. A slow or dead endpoint has one turn at a time, and takes nobody else's.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from domain.delivery import Delivery, DeliveryAttempt
from domain.webhook import WebhookEndpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDelivery:
    """A delivery and what is to be sent: the event's body, the same bytes in each attempt.
    Deliveries about one order have its id."""

    delivery: Delivery
    body: bytes
    order_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """An endpoint that this process holds until its lease ends, and some of what is due for it, the
    first due first. `fence` counts the turns of the endpoint."""

    endpoint: WebhookEndpoint
    fence: int
    due: tuple[DueDelivery, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a turn: each delivery that was tried, as it is now, and its attempt."""

    turn: Turn
    attempts: tuple[DeliveryAttempt, ...]


Settle = Callable[[Delivery, DeliveryAttempt, datetime], Delivery]
"""What an attempt makes of a delivery, at a moment of the store's clock. Pure."""


class DeliveryTurns(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def claim(
        self, lease: timedelta, limit: int, deliveries: int, *, failing: bool
    ) -> Sequence[Turn]:
        """Hold at most `limit` endpoints that something is due for, the longest due first, with at
        most `deliveries` each: those at which nothing has succeeded lately (`failing`), or the
        others. However many workers claim at once, each endpoint goes to one of them, and nobody
        waits for another. The moment is the database's own."""

    @abstractmethod
    async def hold(self, limit: int) -> int:
        """Hold at most `limit` deliveries that wait for an endpoint that is not enabled, and answer
        how many those were."""

    @abstractmethod
    async def record(self, outcome: Outcome, settle: Settle) -> bool:
        """Save what came of a turn and end it, all or nothing; an endpoint that is disabled by it
        is an event. False when the turn is stale, for somebody has held the endpoint since, or it
        is gone: nothing is saved then."""
