"""Stripe's answer as an outcome. Pure, total: nothing raises.

What is relied on, and where Stripe says so:

- A key is good for 24 hours at least; a repeat gets the first answer again, a 500 as well, with the
  header `Idempotent-Replayed: true`; other parameters under it are an `idempotency_error`.
  https://docs.stripe.com/api/idempotent_requests
- A request is examined before its key is: what is refused as it stands (400) was not done now, and
  nothing is said of an earlier time. https://docs.stripe.com/error-low-level#content-errors
- A payment intent is captured once and canceled once, however often that is asked for.
  https://docs.stripe.com/api/payment_intents/capture
- 401, 403, 409 and 429 come before a call is carried out, 5xx may come after: none is an outcome.
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
from dataclasses import dataclass, replace
from datetime import timedelta
from http import HTTPStatus
from typing import Final, TypeAlias

from adapters.stripe import failures
from adapters.stripe.payments import (
    Payment,
    Problem,
    Refund,
    read_payment,
    read_problem,
    read_refund,
)
from adapters.stripe.requests import ABANDONED, first_call, is_for_payer, let_go, void
from adapters.stripe.wire import (
    CAPTURE_REFERENCE,
    REFERENCE,
    RESOURCE_MISSING,
    VOID_REFERENCE,
    Answer,
    Call,
    Purpose,
)
from application.ports.gateway import GatewayRequest
from domain.money import Money
from domain.payment import Approved, Declined, Failure, OperationKind, Outcome, Unknown

_DIGITS: Final = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Doubt:
    """What was done has to be looked up; `otherwise` holds where nothing of ours is found."""

    otherwise: Outcome


CONTRADICTION: Final = Doubt(Unknown("contradiction"))
"""An error that comes with a payment to which it was done."""

Step: TypeAlias = Outcome | Call | Doubt


def conclude(request: GatewayRequest, call: Call, answer: Answer | Unknown) -> Step:
    """What the answer to a call means for the request; a call where one more has to be made before
    anybody can say. There are never more than four: a void is marked and done, each of them once
    more without its key where only a stored error is said under it."""
    if isinstance(answer, Answer) and _is_stuck(request, call, answer):
        return replace(call, key=None)
    if call.purpose is Purpose.LET_GO:
        return _let_go_of(request, call, answer)
    if isinstance(answer, Unknown):
        return _of_the_first(answer, request, call)
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return _done(request, call, answer)
    return _refused(request, call, answer)


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
            return Unknown("gateway_refused_us", untouched=True)
        case 409:
            return Unknown("in_progress")
        case 429:
            return Unknown("throttled", _pause(answer.retry_after), untouched=_is_limit(answer))
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unknown("server_error", _pause(answer.retry_after))
    return None


def is_missing(answer: Answer) -> bool:
    """Stripe's own word that there is no such object: any web server answers 404."""
    problem = read_problem(answer.body.get("error"))
    is_refusal = answer.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND)
    return is_refusal and problem is not None and problem.code == RESOURCE_MISSING


def _is_limit(answer: Answer) -> bool:
    """A 429 may also mean that another call is at work on the same payment.
    https://docs.stripe.com/rate-limits#object-lock-timeouts"""
    problem = read_problem(answer.body.get("error"))
    return problem is not None and problem.code == "rate_limit"


def _is_stuck(request: GatewayRequest, call: Call, answer: Answer) -> bool:
    """Whether a day would go by with nothing but an error from the past. A call that can be done
    once only by its nature needs no key; a charge or refund without one might be a second."""
    is_stored = (
        answer.is_replay
        and answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        and call.key is not None
    )
    by_nature = call.purpose is Purpose.LET_GO or request.kind in (
        OperationKind.CAPTURE,
        OperationKind.VOID,
    )
    return is_stored and by_nature


def _done(request: GatewayRequest, call: Call, answer: Answer) -> Outcome | Call:
    if request.kind is OperationKind.REFUND:
        refund = read_refund(answer.body)
        return Unknown("unreadable") if refund is None else found_refund(request, refund)
    payment = read_payment(answer.body)
    if payment is None:
        return Unknown("unreadable")
    step = _of_payment(request, payment)
    if call.purpose is Purpose.MARK:
        return _marked(request, call, payment, step)
    return step or Unknown("unexpected_status")


def _marked(
    request: GatewayRequest, call: Call, payment: Payment, step: Outcome | Call | None
) -> Outcome | Call:
    """What is canceled before our cancellation was sent is somebody else's doing, for all that it
    bears our mark by now. Marked without a key it is marked again, and may be our own doing."""
    if isinstance(step, Approved) and call.key is not None:
        return Declined(failures.LAPSED)
    if step is None:
        marked = payment.marks.get(VOID_REFERENCE) == request.reference
        return void(request) if marked else Unknown("mismatch")
    return step


def _of_the_first(unknown: Unknown, request: GatewayRequest, call: Call) -> Unknown:
    """Only where an operation's first call did nothing has nothing been done."""
    return unknown if call == first_call(request) else replace(unknown, untouched=False)


def _refused(request: GatewayRequest, call: Call, answer: Answer) -> Step:
    no_answer = unanswered(answer)
    if no_answer is not None:
        return _of_the_first(no_answer, request, call)
    problem = read_problem(answer.body.get("error"))
    # A 404 about anything but an object: the address that Stripe is asked at is wrong.
    is_lost = answer.status == HTTPStatus.NOT_FOUND and not is_missing(answer)
    if problem is None or is_lost:
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


def _card_error(request: GatewayRequest, problem: Problem) -> Step:
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
    return _not_approved(found_payment(request, payment)) or CONTRADICTION


def _invalid(request: GatewayRequest, problem: Problem) -> Step:
    """The payment intent as it is, where it came along, says more than the error about it."""
    if request.kind is OperationKind.REFUND:
        if problem.code == "payment_intent_unexpected_state":
            return _not_taken(request, failures.NOT_REFUNDABLE)
    elif problem.payment is not None:
        step = _not_approved(found_payment(request, problem.payment))
        if step is not None:
            return step
    refund = request.kind is OperationKind.REFUND
    failure = failures.of_refusal(problem.code, problem.field, refund=refund)
    if failure is None and problem.code == RESOURCE_MISSING:
        # Stripe told us of this payment: another account's key is more likely than a loss.
        return Unknown("payment_missing")
    return _not_taken(request, failure or failures.REFUSED)


def _not_taken(request: GatewayRequest, failure: Failure) -> Outcome | Doubt:
    """What was never sent before and is not taken now has not been done; but what became of an
    authorization is looked at, for the order's sake, where Stripe's reason cannot be read.

    A payment method that is missing when it is asked for again is what another account's key leads
    to, in whose books nothing of ours is either: a decline would be a guess.
    """
    unread = failure is failures.REFUSED
    captures = request.kind in (OperationKind.CAPTURE, OperationKind.VOID)
    if not request.is_repeat and not (captures and unread):
        return Declined(failure)
    if failure is failures.METHOD_UNKNOWN:
        return Doubt(Unknown("payment_method_missing"))
    return Doubt(Declined(failure))


def _not_approved(step: Outcome | Call | None) -> Step | None:
    """An error approves nothing; asked by reference, Stripe says again what it says here."""
    return CONTRADICTION if isinstance(step, Approved) else step


def _let_go_of(request: GatewayRequest, call: Call, answer: Answer | Unknown) -> Outcome:
    """Declined only when it is canceled; left open, it could still be paid."""
    is_open = "payer_action_required" if is_for_payer(call) else "payment_open"
    if isinstance(answer, Unknown):
        return Unknown(is_open, answer.retry_after)
    problem = read_problem(answer.body.get("error"))
    payment = read_payment(answer.body) or (problem.payment if problem else None)
    if payment is not None and _is_about(request, payment) and payment.status == "canceled":
        return Declined(_why_canceled(request, payment))
    return Unknown(is_open, _pause(answer.retry_after))


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
        case "canceled":
            return _of_canceled(request, payment)
        case "requires_payment_method" if payment.problem is not None:
            return Declined(failures.of_card(payment.problem.code, payment.problem.decline_code))
        case "requires_action" | "requires_confirmation" | "requires_payment_method" as status:
            return let_go(request, payment.id, waits_for_payer=status == "requires_action")
        case _:
            return Unknown("unexpected_status")


def _of_canceled(request: GatewayRequest, payment: Payment) -> Outcome:
    if request.kind is OperationKind.AUTHORIZE and payment.is_voided:
        # It was granted, and stood for as long as it was wanted.
        return _approved(REFERENCE, payment.amount, payment)
    if not payment.received.is_zero:
        return Unknown("unexpected_status")
    return Declined(_why_canceled(request, payment))


def _why_canceled(request: GatewayRequest, payment: Payment) -> Failure:
    if payment.canceled_because == ABANDONED:
        return failures.PAYER_ACTION
    if payment.problem is not None:
        return failures.of_card(payment.problem.code, payment.problem.decline_code)
    held = payment.has_lapsed or payment.authorized_at is not None
    authorize = request.kind is OperationKind.AUTHORIZE
    return failures.LAPSED if authorize and held else failures.CANCELED


def _of_captured(payment: Payment) -> Outcome | None:
    match payment.status:
        case "succeeded":
            return _approved(CAPTURE_REFERENCE, payment.received, payment)
        case "canceled":
            return Declined(failures.NOT_CAPTURABLE if payment.is_voided else failures.LAPSED)
        case "requires_payment_method" if payment.problem is not None:
            # The issuer declined the capture, and holds nothing any more.
            return Declined(failures.LAPSED)
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
        case "requires_payment_method" if payment.problem is not None:
            return Declined(failures.LAPSED)
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
    """Seconds; Stripe sends no dates. How much of it is heeded is for who waits to say."""
    if retry_after is None or _DIGITS.fullmatch(retry_after) is None:
        return None
    return timedelta(seconds=int(retry_after))
