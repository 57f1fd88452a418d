"""Stripe's objects, read: what makes no sense is None, and nothing raises.

Sources: https://docs.stripe.com/api/payment_intents/object,
https://docs.stripe.com/api/refunds/object, https://docs.stripe.com/api/errors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeGuard

from adapters.stripe.amounts import from_stripe
from adapters.stripe.wire import VOID_REFERENCE, Json
from domain.money import Money

_ID: Final = re.compile(r"[a-z]+_[A-Za-z0-9_]{1,250}")
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999, behind which no datetime lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """An `error`, or the `last_payment_error` of a payment intent."""

    type: str | None
    code: str | None
    decline_code: str | None
    field: str | None
    payment: "Payment | None" = None
    """The payment intent as it is since, which comes with most errors about one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A payment intent. `marks` is its metadata, `canceled_because` its cancellation reason.

    `authorized_at` and `captured_at` are known only where the charge and its balance transaction
    came along; `lapses_at` where its card says so (`capture_before`).
    """

    id: str
    status: str
    amount: Money
    received: Money
    capturable: Money
    is_manual: bool
    marks: Mapping[str, str]
    canceled_because: str | None
    problem: Problem | None
    created_at: datetime
    authorized_at: datetime | None
    captured_at: datetime | None
    canceled_at: datetime | None
    lapses_at: datetime | None

    @property
    def is_voided(self) -> bool:
        """Canceled by us, who mark first; not by Stripe, and not in the dashboard."""
        marked = VOID_REFERENCE in self.marks
        return self.status == "canceled" and marked and not self.has_lapsed

    @property
    def has_lapsed(self) -> bool:
        """Canceled by Stripe, because nobody captured it in time."""
        return self.status == "canceled" and self.canceled_because in ("automatic", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """`payment` is the payment intent that it is about, where that came along."""

    id: str
    status: str
    amount: Money
    payment_id: str | None
    marks: Mapping[str, str]
    created_at: datetime
    payment: Payment | None = None


def is_id(value: Json, prefix: str) -> TypeGuard[str]:
    """Whether it may stand in a path: an id of Stripe's, "pi_3MtwBwLkdIwHu7ix" or alike."""
    return (
        isinstance(value, str)
        and value.startswith(f"{prefix}_")
        and _ID.fullmatch(value) is not None
    )


def marks_of(body: Json) -> Mapping[str, str]:
    """The metadata of a payment intent or refund, even of one that is unreadable otherwise."""
    metadata = _mapping(_mapping(body).get("metadata"))
    return {key: value for key, value in metadata.items() if isinstance(value, str)}


def marks_of_payment(refund: Json) -> Mapping[str, str]:
    """Those of the payment intent that a refund is about, where that came along."""
    return marks_of(_mapping(refund).get("payment_intent"))


def read_payment(body: Json) -> Payment | None:
    if not isinstance(body, Mapping) or body.get("object") != "payment_intent":
        return None
    amount, received, capturable = (
        _money(body, field) for field in ("amount", "amount_received", "amount_capturable")
    )
    payment_id, created_at = body.get("id"), _moment(body.get("created"))
    if not is_id(payment_id, "pi") or created_at is None:
        return None
    if amount is None or received is None or capturable is None:
        return None
    charge = _mapping(body.get("latest_charge"))
    card = _mapping(_mapping(charge.get("payment_method_details")).get("card"))
    authorized = charge.get("status") == "succeeded"
    return Payment(
        id=payment_id,
        status=_text(body.get("status")) or "",
        amount=amount,
        received=received,
        capturable=capturable,
        is_manual=body.get("capture_method") == "manual",
        marks=marks_of(body),
        canceled_because=_text(body.get("cancellation_reason")),
        problem=read_problem(body.get("last_payment_error")),
        created_at=created_at,
        authorized_at=_moment(charge.get("created")) if authorized else None,
        captured_at=_moment(_mapping(charge.get("balance_transaction")).get("created")),
        canceled_at=_moment(body.get("canceled_at")),
        lapses_at=_moment(card.get("capture_before")),
    )


def read_refund(body: Json) -> Refund | None:
    if not isinstance(body, Mapping) or body.get("object") != "refund":
        return None
    amount, created_at = _money(body, "amount"), _moment(body.get("created"))
    refund_id, payment = _text(body.get("id")), body.get("payment_intent")
    if amount is None or created_at is None or refund_id is None:
        return None
    return Refund(
        id=refund_id,
        status=_text(body.get("status")) or "",
        amount=amount,
        payment_id=_text(payment.get("id") if isinstance(payment, Mapping) else payment),
        marks=marks_of(body),
        created_at=created_at,
        payment=read_payment(payment),
    )


def read_problem(error: Json) -> Problem | None:
    if not isinstance(error, Mapping):
        return None
    return Problem(
        type=_text(error.get("type")),
        code=_text(error.get("code")),
        decline_code=_text(error.get("decline_code")),
        field=_text(error.get("param")),
        payment=read_payment(error.get("payment_intent")),
    )


def _money(body: Mapping[str, Json], field: str) -> Money | None:
    amount, currency = body.get(field), body.get("currency")
    # A bool is an int to Python, and no amount to anybody.
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str):
        return None
    return from_stripe(amount, currency)


def _moment(seconds: Json) -> datetime | None:
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
