"""Stripe's books as effects. Pure: which of our references did what, when.

Only for what is marked as ours; whoever reads the lists leaves out the rest.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from adapters.stripe.payments import Payment, Refund
from adapters.stripe.wire import CAPTURE_REFERENCE, REFERENCE, VOID_REFERENCE
from application.ports.gateway import Effect
from domain.money import Money
from domain.payment import OperationKind

LONGEST_HOLD: Final = timedelta(days=31)
"""How long after its creation a payment may still be captured or voided: 30 days in Japan, 7 at
most elsewhere. https://docs.stripe.com/payments/place-a-hold-on-a-payment-method"""

_AT_ONCE: Final = timedelta(minutes=1)


def effects_of_payment(payment: Payment) -> Iterator[Effect]:
    """One payment intent is up to two effects: an authorization, and its capture or void."""
    first = OperationKind.AUTHORIZE if payment.is_manual else OperationKind.CHARGE
    paid = payment.status == "succeeded"
    if payment.is_manual and (payment.authorized_at or paid):
        yield _effect(payment, REFERENCE, first, payment.amount)
    elif paid:
        yield _effect(payment, REFERENCE, first, payment.received)
    if payment.is_manual and paid:
        # Captured by somebody else, in the dashboard, it names the order by its authorization.
        by_us = CAPTURE_REFERENCE in payment.marks
        mark = CAPTURE_REFERENCE if by_us else REFERENCE
        yield _effect(payment, mark, OperationKind.CAPTURE, payment.received)
    if payment.is_voided:
        yield _effect(payment, VOID_REFERENCE, OperationKind.VOID, payment.amount)


def effects_of_refund(refund: Refund) -> Iterator[Effect]:
    """One that bears no reference was made by somebody else, in the dashboard, of our payment."""
    if refund.status == "succeeded" and not _is_release(refund):
        yield Effect(
            reference=refund.marks.get(REFERENCE, ""),
            kind=OperationKind.REFUND,
            amount=refund.amount,
            at=refund.created_at,
        )


def _is_release(refund: Refund) -> bool:
    """Whether nothing came back, for nothing was taken: what is not captured of an authorization,
    a part or all of it, Stripe writes down as a refund.
    https://docs.stripe.com/api/payment_intents/cancel,
    https://github.com/solidusio/solidus_stripe/pull/268"""
    payment = refund.payment
    if REFERENCE in refund.marks or payment is None or not payment.is_manual:
        return False
    if payment.status != "succeeded":
        return True
    captured_at = payment.captured_at or refund.created_at
    at_once = refund.created_at - captured_at <= _AT_ONCE
    left = payment.amount.amount_minor - payment.received.amount_minor
    return refund.amount.amount_minor == left and at_once


def _effect(payment: Payment, mark: str, kind: OperationKind, amount: Money) -> Effect:
    moments = {
        OperationKind.CAPTURE: payment.captured_at,
        OperationKind.VOID: payment.canceled_at,
    }
    at = moments.get(kind) or payment.authorized_at or payment.created_at
    return Effect(reference=payment.marks.get(mark, ""), kind=kind, amount=amount, at=at)
