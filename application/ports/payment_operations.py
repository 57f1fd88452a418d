"""What the worker does with the operations that wait for the gateway."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.order import Order
from domain.payment import Attempt, PaymentOperation
from domain.settlement import Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """An operation and its order, as they are at this moment."""

    operation: PaymentOperation
    order: Order


Decide = Callable[[Work, datetime], Settlement]
"""What becomes of the two, at a moment of the store's clock. It is pure: it runs inside the
transaction that holds both still, and may run again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What is to be recorded of a claim: `settle` decides it, and `attempt` tells of it, where
    there is anything to tell, with the end that the store's clock gives it."""

    claimed: PaymentOperation
    settle: Decide
    attempt: Callable[[datetime], Attempt | None]


class PaymentOperations(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def claim(self, gateway: str, decide: Decide, limit: int) -> Sequence[Work]:
        """Take at most `limit` operations of this gateway that are due, the longest due first, as
        `decide` says, and answer all that were taken; committed, so that nobody else has them
        before their leases end.

        However many workers claim at once, each operation goes to one of them, and nobody waits
        for another. The moment is the database's own, so that workers whose clocks disagree agree
        on leases.
        """

    @abstractmethod
    async def claim_one(self, operation_id: UUID, gateway: str, decide: Decide) -> Work | None:
        """Take this one operation of this gateway as `decide` says, whether it is due or not;
        committed, as `claim` does it. What `decide` raises is raised, and nothing is changed then.

        None when there is no such operation, or when somebody has it: a lease that has not ended,
        or another transaction at this moment.
        """

    @abstractmethod
    async def record(self, result: Result) -> bool:
        """Save what became of a claim: the operation, the attempt, and the order's changes with
        their events, all or nothing.

        False when the claim is stale, for somebody has claimed the operation since or it has
        ended: nothing is saved then. Recording the same result again is harmless.
        """
