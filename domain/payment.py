"""One thing that a payment gateway is asked to do for an order."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.money import Money
from domain.quick import quick


class OperationKind(StrEnum):
    CHARGE = "charge"
    """Take the money at once (automatic capture)."""
    AUTHORIZE = "authorize"
    """Reserve the money, to be captured later (manual capture)."""
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationState(StrEnum):
    PENDING = "pending"
    """Nobody has sent it to the gateway."""
    UNKNOWN = "unknown"
    """It may have reached the gateway; only the gateway can say what became of it."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOperation:
    """A request to the gateway that is frozen when it is recorded.

    `id` is also the gateway's idempotency key and reference: one operation has one key for ever,
    so sending it again can never be a second charge.
    `fence` counts the claims; a result is recorded only by the claim that holds the last one.
    """

    id: UUID
    merchant_id: UUID
    order_id: UUID
    kind: OperationKind
    amount: Money
    payment_method: str | None
    state: OperationState
    fence: int
    attempts: int
    due_at: datetime
    first_sent_at: datetime | None
    lease_expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
