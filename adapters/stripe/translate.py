"""Stripe's answer as an outcome. Pure, total: nothing raises.

What is relied on, and where Stripe says so:

- A key is good for 24 hours at least; a repeat gets the first answer again, a 500 as well; other
  parameters under it are an `idempotency_error`. https://docs.stripe.com/api/idempotent_requests
- 409 and 429 come before a call is carried out, 5xx may come after: neither is an outcome.
  https://docs.stripe.com/error-low-level
- A card error is a 402 that leaves the payment intent in `requires_payment_method`, also where the
  issuer wants the payer to authenticate and the payment is `off_session`.
  https://docs.stripe.com/payments/save-and-reuse
- A canceled payment intent never charges. https://docs.stripe.com/api/payment_intents/cancel
- An authorization that lapses makes its payment intent `canceled`, by Stripe itself.
  https://docs.stripe.com/payments/place-a-hold-on-a-payment-method

A declined payment intent is left as it is, in `requires_payment_method`. To charge again it would
have to be confirmed again, with our API key or with its client secret; Harbor does neither and
gives the secret to nobody. Canceling it would only make a definite decline wait for a second call.
"""

import re
from datetime import timedelta
from typing import Final

from adapters.stripe import failures
from adapters.stripe.payments import (
    Payment,
    Problem,
    Refund,
    read_payment,
    read_problem,
    read_refund,
)
from adapters.stripe.requests import ABANDONED, let_go, void
from adapters.stripe.wire import (
    CAPTURE_REFERENCE,
    REFERENCE,
    VOID_REFERENCE,
    Answer,
    Call,
    Purpose,
)
from application.ports.gateway import GatewayRequest
from domain.money import Money
from domain.payment import Approved, Declined, Failure, OperationKind, Outcome, Unknown

REFUSED: Final = Unknown("request_refused")
"""Stripe does not take the request as it stands, for a reason that is not in our tables."""

_DIGITS: Final = re.compile(r"[0-9]{1,6}")
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)


def conclude(request: GatewayRequest, call: Call, answer: Answer | Unknown) -> Outcome | Call:
    """What the answer to a call means for the request; a call where one more has to be made before
    anybody can say. There are never more than three."""
    if call.purpose is Purpose.LET_GO:
        return _let_go_of(request, answer)
    if isinstance(answer, Unknown):
        return answer
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP
        return _done(request, call, answer)
    return _refused(request, answer)


def found_payment(request: GatewayRequest, payment: Payment) -> Outcome | Call | None:
    """What the payment intent says of a request that may have reached it; None when it never did,
    or not yet. A call where it waits for a payer and has to be let go of first."""
    step = _of_payment(request, payment)
    if request.kind is OperationKind.CAPTURE and isinstance(step, Approved):
        ours = step.reference == request.reference
        return step if ours else Declined(failures.NOT_CAPTURABLE)
    return step


def found_refund(request: GatewayRequest, refund: Refund) -> Outcome:
    if refund.payment_id != request.payment_id:
        return Unknown("mismatch")
    match refund.status:
        case "succeeded":
            return Approved(
                reference=refund.marks.get(REFERENCE, ""),
                amount=refund.amount,
                payment_id=refund.payment_id,
            )
        case "pending":
            return Unknown("processing")
        case "requires_action":
            return Unknown("payer_action_required")
        case "failed" | "canceled":
            return Declined(failures.REFUND_FAILED)
        case _:
            return Unknown("unexpected_status")


def unanswered(answer: Answer) -> Unknown | None:
    """Why an answer is none, as far as its status tells; the same for every call."""
    match answer.status:
        case 401 | 403:
            return Unknown("gateway_refused_us")
        case 409:
            return Unknown("in_progress")
        case 429:
            return Unknown("throttled", _pause(answer.retry_after))
        case status if status >= 500:  # noqa: PLR2004 - HTTP
            return Unknown("server_error", _pause(answer.retry_after))
    return None


def _done(request: GatewayRequest, call: Call, answer: Answer) -> Outcome | Call:
    if request.kind is OperationKind.REFUND:
        refund = read_refund(answer.body)
        return Unknown("unreadable") if refund is None else found_refund(request, refund)
    payment = read_payment(answer.body)
    if payment is None:
        return Unknown("unreadable")
    step = _of_payment(request, payment)
    if call.purpose is Purpose.MARK:
        return _marked(request, payment, step)
    return step or Unknown("unexpected_status")


def _marked(
    request: GatewayRequest, payment: Payment, step: Outcome | Call | None
) -> Outcome | Call:
    """What is canceled before our cancellation was sent is somebody else's doing, for all that it
    bears our mark by now."""
    if isinstance(step, Approved):
        return Declined(failures.LAPSED)
    if step is None:
        marked = payment.marks.get(VOID_REFERENCE) == request.reference
        return void(request) if marked else Unknown("mismatch")
    return step


def _refused(request: GatewayRequest, answer: Answer) -> Outcome | Call:
    no_answer = unanswered(answer)
    if no_answer is not None:
        return no_answer
    problem = read_problem(answer.body.get("error"))
    if problem is None:
        return Unknown("unexpected_answer")
    match answer.status, problem.type:
        case _, "idempotency_error":
            return Unknown("key_reused")
        case 402, "card_error":
            return _card_error(request, problem)
        case 400 | 404, "invalid_request_error":
            return _invalid(request, problem)
        case _:
            return Unknown("unexpected_answer")


def _card_error(request: GatewayRequest, problem: Problem) -> Outcome | Call:
    failure = failures.of_card(problem.code, problem.decline_code)
    first = request.kind in (OperationKind.CHARGE, OperationKind.AUTHORIZE)
    payment = problem.payment
    if payment is None:
        # An issuer that waits for its payer has said nothing definite yet.
        waits = first and failure is failures.PAYER_ACTION
        return Unknown("payer_action_required") if waits else Declined(failure)
    untouched = ("requires_payment_method", "canceled") if first else ("requires_capture",)
    about = _is_about(request, payment)
    if about and (request.kind is OperationKind.REFUND or payment.status in untouched):
        return Declined(failure)
    return _not_approved(found_payment(request, payment)) or Unknown("contradiction")


def _invalid(request: GatewayRequest, problem: Problem) -> Outcome | Call:
    """The payment intent as it is, where it came along, says more than the error about it."""
    if request.kind is OperationKind.REFUND:
        if problem.code == "payment_intent_unexpected_state":
            return Declined(failures.NOT_REFUNDABLE)
    elif problem.payment is not None:
        step = _not_approved(found_payment(request, problem.payment))
        if step is not None:
            return step
    refund = request.kind is OperationKind.REFUND
    failure = failures.of_refusal(problem.code, problem.field, refund=refund)
    if failure is not None:
        return Declined(failure)
    if problem.code == "resource_missing":
        # Stripe told us of this payment: another account's key is more likely than a loss.
        return Unknown("payment_missing")
    return REFUSED


def _not_approved(step: Outcome | Call | None) -> Outcome | Call | None:
    """An error approves nothing; asked by reference, Stripe will say again what it says here."""
    return Unknown("contradiction") if isinstance(step, Approved) else step


def _let_go_of(request: GatewayRequest, answer: Answer | Unknown) -> Outcome:
    if isinstance(answer, Unknown):
        return Unknown("payer_action_required", answer.retry_after)
    problem = read_problem(answer.body.get("error"))
    payment = read_payment(answer.body) or (problem.payment if problem else None)
    if payment is not None and _is_about(request, payment) and payment.status == "canceled":
        return Declined(failures.PAYER_ACTION)
    return Unknown("payer_action_required", _pause(answer.retry_after))


def _of_payment(request: GatewayRequest, payment: Payment) -> Outcome | Call | None:
    if not _is_about(request, payment):
        return Unknown("mismatch")
    if payment.status == "processing":
        return Unknown("processing")
    match request.kind:
        case OperationKind.CAPTURE:
            return _of_captured(payment)
        case OperationKind.VOID:
            return _of_voided(request, payment)
        case _:
            return _of_new(request, payment)


def _is_about(request: GatewayRequest, payment: Payment) -> bool:
    if request.kind in (OperationKind.CHARGE, OperationKind.AUTHORIZE):
        return payment.marks.get(REFERENCE) == request.reference
    return payment.id == request.payment_id


def _of_new(request: GatewayRequest, payment: Payment) -> Outcome | Call:
    authorize = request.kind is OperationKind.AUTHORIZE
    match payment.status:
        case "requires_capture" if authorize:
            return _approved(REFERENCE, payment.capturable, payment)
        case "succeeded":
            return _approved(REFERENCE, payment.amount if authorize else payment.received, payment)
        case "canceled" if payment.received.is_zero:
            return Declined(_why_canceled(request, payment))
        case "requires_payment_method" if payment.problem is not None:
            return Declined(failures.of_card(payment.problem.code, payment.problem.decline_code))
        case "requires_payment_method" | "requires_confirmation" | "requires_action":
            return let_go(request, payment.id)
        case _:
            return Unknown("unexpected_status")


def _why_canceled(request: GatewayRequest, payment: Payment) -> Failure:
    if payment.canceled_because == ABANDONED:
        return failures.PAYER_ACTION
    if payment.problem is not None:
        return failures.of_card(payment.problem.code, payment.problem.decline_code)
    return failures.LAPSED if request.kind is OperationKind.AUTHORIZE else failures.CANCELED


def _of_captured(payment: Payment) -> Outcome | None:
    match payment.status:
        case "succeeded":
            return _approved(CAPTURE_REFERENCE, payment.received, payment)
        case "canceled":
            return Declined(failures.NOT_CAPTURABLE if payment.is_voided else failures.LAPSED)
        case "requires_capture":
            return None
        case _:
            return Unknown("unexpected_status")


def _of_voided(request: GatewayRequest, payment: Payment) -> Outcome | None:
    match payment.status:
        case "canceled" if not payment.is_voided:
            return Declined(failures.LAPSED)
        case "canceled" if payment.marks[VOID_REFERENCE] == request.reference:
            return _approved(VOID_REFERENCE, payment.amount, payment)
        case "canceled" | "succeeded":
            return Declined(failures.NOT_VOIDABLE)
        case "requires_capture":
            return None
        case _:
            return Unknown("unexpected_status")


def _approved(mark: str, amount: Money, payment: Payment) -> Approved:
    return Approved(
        reference=payment.marks.get(mark, ""),
        amount=amount,
        payment_id=payment.id,
        expires_at=payment.lapses_at if payment.status == "requires_capture" else None,
    )


def _pause(retry_after: str | None) -> timedelta | None:
    """Seconds; Stripe sends no dates."""
    if retry_after is None or _DIGITS.fullmatch(retry_after) is None:
        return None
    return min(timedelta(seconds=int(retry_after)), _LONGEST_RETRY_AFTER)
