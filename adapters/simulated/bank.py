"""The rules of the simulated gateway: what may be done with a payment, and what it is then.

Pure. A refusal is a value: its code is stable, its message is one sentence for a person.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

from domain.money import Money
from domain.payment import AUTHORIZATION_EXPIRED, Failure, OperationKind

AUTHORIZATION_LASTS: Final = timedelta(days=7)


class PaymentState(StrEnum):
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """`authorized` is what was reserved, `captured` what was taken of it, `refunded` what went
    back of that. An authorization lapses at `expires_at`; what was charged at once has none."""

    id: str
    state: PaymentState
    authorized: Money
    captured: Money
    refunded: Money
    expires_at: datetime | None = None

    def has_lapsed(self, now: datetime) -> bool:
        """Whether it was neither captured nor voided in time."""
        return (
            self.state is PaymentState.AUTHORIZED
            and self.expires_at is not None
            and self.expires_at <= now
        )


EXPIRED: Final = Failure(code=AUTHORIZATION_EXPIRED, message="The authorization has lapsed.")
_NOT_FOUND: Final = Failure(code="payment_not_found", message="There is no such payment.")
_AMOUNT_INVALID: Final = Failure(code="amount_invalid", message="There is no amount to move.")
_CURRENCY_MISMATCH: Final = Failure(
    code="currency_mismatch", message="The payment is in another currency."
)
_NOT_CAPTURABLE: Final = Failure(
    code="not_capturable", message="The payment is not an authorization that stands."
)
_CAPTURE_TOO_LARGE: Final = Failure(
    code="capture_too_large", message="The capture is for more than was authorized."
)
_NOT_VOIDABLE: Final = Failure(
    code="not_voidable", message="The payment is not an authorization that stands."
)
_NOT_REFUNDABLE: Final = Failure(
    code="not_refundable", message="Nothing was captured of the payment."
)
_REFUND_TOO_LARGE: Final = Failure(
    code="refund_too_large", message="The refund is for more than is left of the payment."
)


def charge(payment_id: str, amount: Money) -> Payment | Failure:
    """A new payment of which everything was taken."""
    if amount.is_zero:
        return _AMOUNT_INVALID
    return Payment(
        id=payment_id,
        state=PaymentState.CAPTURED,
        authorized=amount,
        captured=amount,
        refunded=Money.zero(amount.currency),
    )


def authorize(payment_id: str, amount: Money, now: datetime) -> Payment | Failure:
    """A new payment of which nothing was taken yet."""
    if amount.is_zero:
        return _AMOUNT_INVALID
    return Payment(
        id=payment_id,
        state=PaymentState.AUTHORIZED,
        authorized=amount,
        captured=Money.zero(amount.currency),
        refunded=Money.zero(amount.currency),
        expires_at=now + AUTHORIZATION_LASTS,
    )


def change(
    payment: Payment | None, kind: OperationKind, amount: Money, now: datetime
) -> Payment | Failure:
    """A payment after something was done with it that there was before."""
    if payment is None:
        return _NOT_FOUND
    if amount.currency != payment.authorized.currency:
        return _CURRENCY_MISMATCH
    match kind:
        case OperationKind.CAPTURE:
            return _capture(payment, amount, now)
        case OperationKind.VOID:
            return _void(payment, now)
        case OperationKind.REFUND:
            return _refund(payment, amount)
        case OperationKind.CHARGE | OperationKind.AUTHORIZE:
            raise ValueError("a new payment is not a change of one")
        case never:
            assert_never(never)


def _capture(payment: Payment, amount: Money, now: datetime) -> Payment | Failure:
    """Once, and what is not taken is released."""
    if payment.state is not PaymentState.AUTHORIZED:
        return _NOT_CAPTURABLE
    if payment.has_lapsed(now):
        return EXPIRED
    if amount.is_zero:
        return _AMOUNT_INVALID
    if payment.authorized < amount:
        return _CAPTURE_TOO_LARGE
    return replace(payment, state=PaymentState.CAPTURED, captured=amount)


def _void(payment: Payment, now: datetime) -> Payment | Failure:
    if payment.state is not PaymentState.AUTHORIZED:
        return _NOT_VOIDABLE
    return EXPIRED if payment.has_lapsed(now) else replace(payment, state=PaymentState.VOIDED)


def _refund(payment: Payment, amount: Money) -> Payment | Failure:
    if payment.state is not PaymentState.CAPTURED:
        return _NOT_REFUNDABLE
    if amount.is_zero:
        return _AMOUNT_INVALID
    if payment.captured - payment.refunded < amount:
        return _REFUND_TOO_LARGE
    return replace(payment, refunded=payment.refunded + amount)
