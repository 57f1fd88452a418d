"""Reading payment operations and what was tried. They are written by `ports/idempotency.py`, when
they are asked for, and by `ports/payment_operations.py`."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.pages import Page, Position
from domain.event import OrderEvent
from domain.order import Order
from domain.payment import Attempt, OperationKind, PaymentOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedOperation:
    """An operation with its attempts, the first one first; of very many only the last."""

    operation: PaymentOperation
    attempts: tuple[Attempt, ...]

    @property
    def id(self) -> UUID:
        return self.operation.id

    @property
    def created_at(self) -> datetime:
        return self.operation.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that happened to one order. Events and operations in the order in which they came."""

    order: Order
    events: tuple[OrderEvent, ...]
    operations: tuple[TriedOperation, ...]


class PaymentHistory(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def operation(self, merchant_id: UUID, operation_id: UUID) -> PaymentOperation | None:
        """The merchant's own; None for an unknown id and for another merchant's."""

    @abstractmethod
    async def page(
        self,
        merchant_id: UUID,
        order_id: UUID,
        kind: OperationKind | None,
        after: Position | None,
        limit: int,
    ) -> Page[TriedOperation]:
        """The order's operations, newest first, those after `after`, at most `limit`: all with
        their attempts, or those of one kind without."""

    # What operators ask, of all merchants.

    @abstractmethod
    async def of_order(self, order_id: UUID) -> History | None:
        """None for an unknown id."""

    @abstractmethod
    async def unsettled(self, before: datetime, limit: int) -> Sequence[PaymentOperation]:
        """Operations without an outcome that were made before then, and authorizations of which the
        gateway does not say whether they stand; the oldest first."""

    @abstractmethod
    async def with_ids(self, operation_ids: Sequence[UUID]) -> Sequence[PaymentOperation]:
        """Those that there are, in any order."""

    @abstractmethod
    async def made_since(
        self, gateway: str, since: datetime, after: UUID | None, limit: int
    ) -> Sequence[PaymentOperation]:
        """Operations for this gateway that were made since then, in the order of their ids; those
        after `after`, at most `limit`."""
