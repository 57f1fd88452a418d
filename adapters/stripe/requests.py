"""A request as Stripe's HTTP. Pure: the same request is the same call for ever, under its own key.

A follow-up has a key made of the request's, so that it is done once as well.
"""

import re
from typing import Final

from adapters.stripe import failures
from adapters.stripe.amounts import to_stripe
from adapters.stripe.payments import is_id
from adapters.stripe.wire import (
    CAPTURE_REFERENCE,
    REFERENCE,
    VOID_REFERENCE,
    WITH_CHARGE,
    Call,
    Purpose,
)
from application.ports.gateway import GatewayRequest
from domain.payment import Declined, OperationKind

ABANDONED: Final = "abandoned"
"""The cancellation reason with which we let go of what waits for a payer."""
_WITHDRAWN: Final = "requested_by_customer"
"""That of every other cancellation: of Stripe's words the one that accuses nobody."""

_TOKEN: Final = re.compile(r"(?:(cus_[A-Za-z0-9_]{1,100})/)?(pm_[A-Za-z0-9_]{1,100})")


def accepts(payment_method: str | None) -> bool:
    """`pm_…`, or `cus_…/pm_…` for one that is attached to a customer: Stripe charges such a one
    only together with its customer. https://docs.stripe.com/api/payment_intents/create"""
    return payment_method is not None and _TOKEN.fullmatch(payment_method) is not None


def customer_of(payment_method: str | None) -> str | None:
    """Whose payment method it is, where the token says so."""
    token = _TOKEN.fullmatch(payment_method or "")
    return None if token is None else token[1]


def first_call(request: GatewayRequest) -> Call | Declined:
    """What to send to have it done; a decline where Stripe could never be asked for it."""
    amount = to_stripe(request.amount)
    if amount is None:
        return Declined(failures.AMOUNT)
    if request.kind in (OperationKind.CHARGE, OperationKind.AUTHORIZE):
        return _new_payment(request, amount)
    if not is_id(request.payment_id, "pi"):
        return Declined(failures.PAYMENT_NOT_FOUND)
    if request.kind is OperationKind.REFUND:
        return _refund(request, amount)
    if request.kind is OperationKind.CAPTURE:
        return _capture(request, amount)
    return _mark_void(request)


def _new_payment(request: GatewayRequest, amount: int) -> Call | Declined:
    """Confirmed as it is created, by nobody who could be asked anything: `off_session` tells the
    issuer so, which claims the exemption for payments that a merchant initiates, and makes a wish
    for authentication a decline. `error_on_requires_action` would only do the latter.

    Cards only: what the dashboard admits besides may take days to say whether it has paid (SEPA
    and ACH debits) or send a payer elsewhere. https://docs.stripe.com/api/payment_intents/create
    """
    if request.payment_method is None:
        return Declined(failures.METHOD_MISSING)
    token = _TOKEN.fullmatch(request.payment_method)
    if token is None:
        return Declined(failures.METHOD_UNKNOWN)
    customer, payment_method = token.groups()
    manual = request.kind is OperationKind.AUTHORIZE
    return _post(
        "/v1/payment_intents",
        request.key,
        ("amount", str(amount)),
        ("currency", request.amount.currency.lower()),
        *([("customer", customer)] if customer else []),
        ("payment_method", payment_method),
        ("confirm", "true"),
        ("off_session", "true"),
        ("capture_method", "manual" if manual else "automatic"),
        ("payment_method_types[]", "card"),
        (f"metadata[{REFERENCE}]", request.reference),
        # It says when an authorization lapses.
        WITH_CHARGE,
    )


def _capture(request: GatewayRequest, amount: int) -> Call:
    """What is not captured is released. https://docs.stripe.com/api/payment_intents/capture"""
    return _post(
        f"/v1/payment_intents/{request.payment_id}/capture",
        request.key,
        ("amount_to_capture", str(amount)),
        (f"metadata[{CAPTURE_REFERENCE}]", request.reference),
    )


def _mark_void(request: GatewayRequest) -> Call:
    """Written down before it is done, because a cancellation takes no metadata; a payment that is
    marked and still waits for its capture has not been voided.
    https://docs.stripe.com/api/payment_intents/update"""
    return _post(
        f"/v1/payment_intents/{request.payment_id}",
        f"{request.key}/mark",
        (f"metadata[{VOID_REFERENCE}]", request.reference),
        purpose=Purpose.MARK,
    )


def void(request: GatewayRequest) -> Call:
    return _post(
        f"/v1/payment_intents/{request.payment_id}/cancel",
        request.key,
        ("cancellation_reason", _WITHDRAWN),
    )


def _refund(request: GatewayRequest, amount: int) -> Call:
    """https://docs.stripe.com/api/refunds/create"""
    return _post(
        "/v1/refunds",
        request.key,
        ("payment_intent", str(request.payment_id)),
        ("amount", str(amount)),
        (f"metadata[{REFERENCE}]", request.reference),
    )


def let_go(request: GatewayRequest, payment_id: str, *, waits_for_payer: bool) -> Call:
    """The reason stays with the payment, and says later why it was canceled. Each has a key of its
    own: a payment may begin to wait for its payer between two attempts."""
    reason, step = (ABANDONED, "let-go") if waits_for_payer else (_WITHDRAWN, "withdraw")
    return _post(
        f"/v1/payment_intents/{payment_id}/cancel",
        f"{request.key}/{step}",
        ("cancellation_reason", reason),
        purpose=Purpose.LET_GO,
    )


def is_for_payer(call: Call) -> bool:
    """Whether it lets go of a payment that waits for its payer."""
    return ("cancellation_reason", ABANDONED) in call.fields


def _post(path: str, key: str, *fields: tuple[str, str], purpose: Purpose = Purpose.ACT) -> Call:
    return Call(method="POST", path=path, fields=fields, key=key, purpose=purpose)
