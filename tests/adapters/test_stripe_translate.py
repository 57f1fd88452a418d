"""Requests as Stripe's HTTP, and whatever Stripe may answer as an outcome."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe import failures
from adapters.stripe.amounts import from_stripe, to_stripe
from adapters.stripe.payments import read_payment, read_refund
from adapters.stripe.requests import first_call, let_go
from adapters.stripe.translate import (
    Doubt,
    Step,
    conclude,
    found_payment,
    found_refund,
)
from adapters.stripe.wire import Answer, Call, Purpose
from application.ports.gateway import GatewayRequest
from domain.money import Money
from domain.payment import Approved, Declined, Failure, OperationKind, Unknown
from tests.examples import currencies, monies
from tests.fakes import NOW

CHARGE = OperationKind.CHARGE
AUTHORIZE = OperationKind.AUTHORIZE
CAPTURE = OperationKind.CAPTURE
VOID = OperationKind.VOID
REFUND = OperationKind.REFUND

EUR_20 = Money(amount_minor=2_000, currency="EUR")
REFERENCE = "0193a5c0-0000-7000-8000-000000000001"
PAYMENT = "pi_3MtwBwLkdIwHu7ix28a3tqPa"
LAPSES_AT = 1_780_000_000

ONLY_MADE = {"harbor_reference": REFERENCE}
HELD = {"status": "succeeded", "created": 1_770_000_000}
DECLINED_BY_CARD = {"type": "card_error", "code": "card_declined", "decline_code": "do_not_honor"}


def a_request(kind: OperationKind, **changes: Any) -> GatewayRequest:
    request = GatewayRequest(
        key=REFERENCE,
        reference=REFERENCE,
        kind=kind,
        amount=EUR_20,
        payment_method="pm_card_visa" if kind in (CHARGE, AUTHORIZE) else None,
        payment_id=PAYMENT if kind in (CAPTURE, VOID, REFUND) else None,
        asked_at=NOW,
    )
    return replace(request, **changes)


def a_payment(status: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": PAYMENT,
        "object": "payment_intent",
        "status": status,
        "amount": 2_000,
        "amount_received": 2_000 if status == "succeeded" else 0,
        "amount_capturable": 2_000 if status == "requires_capture" else 0,
        "currency": "eur",
        "created": 1_770_000_000,
        "metadata": {
            "harbor_reference": REFERENCE,
            "harbor_capture": REFERENCE,
            "harbor_void": REFERENCE,
        },
        "cancellation_reason": "requested_by_customer" if status == "canceled" else None,
        **changes,
    }


def a_refund(status: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "re_1",
        "object": "refund",
        "status": status,
        "amount": 2_000,
        "currency": "eur",
        "created": 1_770_000_000,
        "payment_intent": PAYMENT,
        "metadata": {"harbor_reference": REFERENCE},
        **changes,
    }


def a_call(request: GatewayRequest, purpose: Purpose = Purpose.ACT) -> Call:
    call = first_call(request)
    assert isinstance(call, Call)
    return replace(call, purpose=purpose)


def said(kind: OperationKind, status: int, body: dict[str, Any], **changes: Any) -> Step:
    request = a_request(kind, **changes)
    return conclude(request, a_call(request), Answer(status=status, body=body))


def error(**members: Any) -> dict[str, Any]:
    return {"error": {"message": "A text about jenny.rosen@example.com", **members}}


def short(step: Step | None) -> str:
    """An outcome in two words, for a table."""
    match step:
        case Approved():
            return "approved"
        case Declined(failure=failure):
            return f"declined {failure.code}"
        case Unknown(problem=problem):
            return f"unknown {problem}"
        case Call(path=path):
            return f"call {path.rpartition('/')[2]}"
        case Doubt(otherwise=otherwise):
            return f"look, else {short(otherwise)}"
        case None:
            return "nothing"


# Asking.


def test_a_charge_is_a_payment_intent_that_is_confirmed_at_once() -> None:
    assert first_call(a_request(CHARGE)) == Call(
        method="POST",
        path="/v1/payment_intents",
        key=REFERENCE,
        fields=(
            ("amount", "2000"),
            ("currency", "eur"),
            ("payment_method", "pm_card_visa"),
            ("confirm", "true"),
            ("off_session", "true"),
            ("capture_method", "automatic"),
            ("payment_method_types[]", "card"),
            ("metadata[harbor_reference]", REFERENCE),
            ("expand[]", "latest_charge"),
        ),
    )


def test_an_authorization_is_one_that_is_captured_by_hand() -> None:
    assert ("capture_method", "manual") in a_call(a_request(AUTHORIZE)).fields


def test_a_payment_method_of_a_customer_is_charged_with_its_customer() -> None:
    fields = dict(a_call(a_request(CHARGE, payment_method="cus_1/pm_2")).fields)
    assert (fields["customer"], fields["payment_method"]) == ("cus_1", "pm_2")


@pytest.mark.parametrize(
    ("kind", "path", "key", "fields"),
    [
        (
            CAPTURE,
            f"/v1/payment_intents/{PAYMENT}/capture",
            REFERENCE,
            {"amount_to_capture": "2000", "metadata[harbor_capture]": REFERENCE},
        ),
        (
            VOID,
            f"/v1/payment_intents/{PAYMENT}",
            f"{REFERENCE}/mark",
            {"metadata[harbor_void]": REFERENCE},
        ),
        (
            REFUND,
            "/v1/refunds",
            REFERENCE,
            {
                "payment_intent": PAYMENT,
                "amount": "2000",
                "metadata[harbor_reference]": REFERENCE,
            },
        ),
    ],
)
def test_what_follows_a_payment_names_it(
    kind: OperationKind, path: str, key: str, fields: dict[str, str]
) -> None:
    call = a_call(a_request(kind))
    assert (call.method, call.path, call.key, dict(call.fields)) == ("POST", path, key, fields)


def test_a_void_is_done_under_its_own_key_once_it_is_marked() -> None:
    request = a_request(VOID)
    step = conclude(
        request,
        a_call(request, Purpose.MARK),
        Answer(status=200, body=a_payment("requires_capture")),
    )
    assert step == Call(
        method="POST",
        path=f"/v1/payment_intents/{PAYMENT}/cancel",
        key=REFERENCE,
        fields=(("cancellation_reason", "requested_by_customer"),),
    )


def test_a_void_that_was_not_marked_is_not_done() -> None:
    request = a_request(VOID)
    unmarked = a_payment("requires_capture", metadata={})
    step = conclude(request, a_call(request, Purpose.MARK), Answer(status=200, body=unmarked))
    assert step == Unknown("mismatch")


@pytest.mark.parametrize(
    ("status", "expected"),
    [("canceled", "declined authorization_expired"), ("succeeded", "declined not_voidable")],
)
def test_a_void_that_can_only_be_marked_is_not_done(status: str, expected: str) -> None:
    request = a_request(VOID)
    answer = Answer(status=200, body=a_payment(status))
    assert short(conclude(request, a_call(request, Purpose.MARK), answer)) == expected


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"payment_method": None}, "payment_method_missing"),
        ({"payment_method": "tok_visa"}, "payment_method_unknown"),
        ({"amount": Money(amount_minor=1, currency="IQD")}, "amount_not_supported"),
        ({"amount": Money(amount_minor=1_001, currency="KWD")}, "amount_not_supported"),
        ({"amount": Money(amount_minor=150, currency="MGA")}, "amount_not_supported"),
    ],
)
def test_what_stripe_could_never_do_is_declined(changes: dict[str, Any], code: str) -> None:
    assert short(first_call(a_request(CHARGE, **changes))) == f"declined {code}"


# Money.


@pytest.mark.parametrize(
    ("currency", "ours", "theirs"),
    [
        ("EUR", 1_999, 1_999),
        ("JPY", 500, 500),
        ("HUF", 1_045, 1_045),
        ("TWD", 80_045, 80_045),
        ("ISK", 5, 500),
        ("UGX", 5, 500),
        ("MGA", 500, 5),
        ("MGA", 501, None),
        ("KWD", 5_120, 5_120),
        ("KWD", 5_124, None),
        ("BHD", 1, None),
        ("IQD", 1_000, None),
        ("LYD", 1_000, None),
        ("CLF", 10_000, None),
        ("UYI", 1, None),
    ],
)
def test_amounts_are_those_of_stripes_table(currency: str, ours: int, theirs: int | None) -> None:
    assert to_stripe(Money(amount_minor=ours, currency=currency)) == theirs


@given(currencies.flatmap(monies))
def test_an_amount_that_stripe_can_say_comes_back_as_it_was(money: Money) -> None:
    theirs = to_stripe(money)
    if theirs is not None and theirs < 2**63:
        assert from_stripe(theirs, money.currency.lower()) == money


@given(st.integers(), st.sampled_from(["eur", "isk", "mga", "iqd", "xxx", "", "EUROS"]))
def test_an_amount_that_nobody_can_read_is_none(amount: int, currency: str) -> None:
    money = from_stripe(amount, currency)
    if money is not None:
        assert to_stripe(money) == amount


# What a status means, for each kind: as the answer to it, and found later.

PAYMENT_STATUSES = {
    #                        charge, authorize, capture, void
    "succeeded": ("approved", "approved", "approved", "declined not_voidable"),
    "requires_capture": ("unknown unexpected_status", "approved", None, None),
    "canceled": ("declined payment_canceled", "approved", "declined not_capturable", "approved"),
    "processing": ("unknown processing",) * 4,
    "requires_action": ("call cancel",) * 2 + ("unknown unexpected_status",) * 2,
    "requires_confirmation": ("call cancel",) * 2 + ("unknown unexpected_status",) * 2,
    "requires_payment_method": ("call cancel",) * 2 + ("unknown unexpected_status",) * 2,
    "a_status_of_tomorrow": ("unknown unexpected_status",) * 4,
    "": ("unknown unexpected_status",) * 4,
}
KINDS = (CHARGE, AUTHORIZE, CAPTURE, VOID)
TABLE = [
    (kind, status, expected)
    for status, row in PAYMENT_STATUSES.items()
    for kind, expected in zip(KINDS, row, strict=True)
]


@pytest.mark.parametrize(("kind", "status", "expected"), TABLE)
def test_every_status_of_a_payment_has_its_meaning(
    kind: OperationKind, status: str, expected: str | None
) -> None:
    body = a_payment(status)
    assert short(said(kind, 200, body)) == (expected or "unknown unexpected_status")
    payment = read_payment(body)
    assert payment is not None
    assert short(found_payment(a_request(kind), payment)) == (expected or "nothing")


REFUND_STATUSES = {
    "succeeded": "approved",
    "pending": "unknown processing",
    "requires_action": "unknown payer_action_required",
    "failed": "declined refund_failed",
    "canceled": "declined refund_failed",
    "a_status_of_tomorrow": "unknown unexpected_status",
}


@pytest.mark.parametrize(("status", "expected"), REFUND_STATUSES.items())
def test_every_status_of_a_refund_has_its_meaning(status: str, expected: str) -> None:
    body = a_refund(status)
    assert short(said(REFUND, 200, body)) == expected
    refund = read_refund(body)
    assert refund is not None
    assert short(found_refund(a_request(REFUND), refund)) == expected


def test_an_approval_repeats_what_stripe_says_and_not_what_was_asked() -> None:
    other = a_payment("succeeded", amount_received=1_500, currency="isk")
    assert said(CHARGE, 200, other) == Approved(
        reference=REFERENCE,
        amount=Money(amount_minor=15, currency="ISK"),
        payment_id=PAYMENT,
    )


def test_an_authorization_says_when_it_lapses_where_its_card_does() -> None:
    card = {"payment_method_details": {"card": {"capture_before": LAPSES_AT}}}
    held = said(AUTHORIZE, 200, a_payment("requires_capture", latest_charge=card))
    assert isinstance(held, Approved)
    assert held.expires_at == datetime.fromtimestamp(LAPSES_AT, UTC)


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE])
def test_an_answer_about_another_reference_is_none(kind: OperationKind) -> None:
    other = a_payment("succeeded", metadata={"harbor_reference": "somebody else's"})
    assert said(kind, 200, other) == Unknown("mismatch")


@pytest.mark.parametrize("kind", [CAPTURE, VOID])
def test_an_answer_about_another_payment_is_none(kind: OperationKind) -> None:
    for status in ("succeeded", "canceled", "requires_capture"):
        assert said(kind, 200, a_payment(status, id="pi_another")) == Unknown("mismatch")
    assert said(REFUND, 200, a_refund("succeeded", payment_intent="pi_x")) == Unknown("mismatch")


def test_a_capture_that_is_not_marked_as_ours_is_left_to_the_domain_and_found_as_anothers() -> None:
    payment = read_payment(body := a_payment("succeeded", metadata={"harbor_capture": "another"}))
    answered = said(CAPTURE, 200, body)
    assert isinstance(answered, Approved)
    assert answered.reference == "another"
    assert payment is not None
    found = found_payment(a_request(CAPTURE), payment)
    assert short(found) == "declined not_capturable"


@pytest.mark.parametrize("reason", ["automatic", "expired"])
def test_a_void_that_came_after_the_authorization_had_lapsed_is_none(reason: str) -> None:
    lapsed = a_payment("canceled", cancellation_reason=reason)
    assert short(said(VOID, 200, lapsed)) == "declined authorization_expired"


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE])
@pytest.mark.parametrize("status", ["requires_payment_method", "canceled"])
def test_a_payment_that_failed_says_why(kind: OperationKind, status: str) -> None:
    failed = a_payment(status, metadata=ONLY_MADE, last_payment_error={**DECLINED_BY_CARD})
    assert short(said(kind, 200, failed)) == "declined card_declined"


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE])
def test_a_payment_that_was_let_go_of_waited_for_its_payer(kind: OperationKind) -> None:
    let_go = a_payment("canceled", metadata=ONLY_MADE, cancellation_reason="abandoned")
    assert said(kind, 200, let_go) == Declined(failures.PAYER_ACTION)


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        (CHARGE, {}, "declined payment_canceled"),
        (CHARGE, {"cancellation_reason": "automatic"}, "declined payment_canceled"),
        (AUTHORIZE, {}, "declined payment_canceled"),
        (AUTHORIZE, {"latest_charge": HELD}, "declined authorization_expired"),
        (AUTHORIZE, {"cancellation_reason": "automatic"}, "declined authorization_expired"),
        (AUTHORIZE, {"cancellation_reason": "expired"}, "declined authorization_expired"),
    ],
)
def test_an_authorization_has_lapsed_where_there_was_one_that_nobody_of_us_voided(
    kind: OperationKind, changes: dict[str, Any], expected: str
) -> None:
    assert short(said(kind, 200, a_payment("canceled", metadata=ONLY_MADE, **changes))) == expected


@pytest.mark.parametrize("reason", ["automatic", "expired"])
def test_an_authorization_that_lapsed_before_its_void_has_lapsed(reason: str) -> None:
    lapsed = a_payment("canceled", cancellation_reason=reason)
    assert short(said(AUTHORIZE, 200, lapsed)) == "declined authorization_expired"


@pytest.mark.parametrize("kind", [CAPTURE, VOID])
def test_what_the_issuer_declined_to_capture_is_held_no_more(kind: OperationKind) -> None:
    declined = a_payment("requires_payment_method", last_payment_error={**DECLINED_BY_CARD})
    assert short(said(kind, 200, declined)) == "declined authorization_expired"
    body = error(**DECLINED_BY_CARD, payment_intent=declined)
    assert short(said(kind, 402, body)) == "declined authorization_expired"
    payment = read_payment(declined)
    assert payment is not None
    assert short(found_payment(a_request(kind), payment)) == "declined authorization_expired"


def test_a_payment_that_took_money_and_is_canceled_makes_no_sense() -> None:
    assert short(said(CHARGE, 200, a_payment("canceled", amount_received=5))).startswith("unknown")


# Errors.


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize(
    ("status", "members", "expected"),
    [
        (401, {"type": "invalid_request_error"}, "unknown gateway_refused_us"),
        (403, {"type": "invalid_request_error"}, "unknown gateway_refused_us"),
        (
            409,
            {"type": "idempotency_error", "code": "idempotency_key_in_use"},
            "unknown in_progress",
        ),
        (429, {"type": "invalid_request_error", "code": "rate_limit"}, "unknown throttled"),
        (429, {"type": "invalid_request_error", "code": "lock_timeout"}, "unknown throttled"),
        (500, {"type": "api_error"}, "unknown server_error"),
        (502, {}, "unknown server_error"),
        (503, DECLINED_BY_CARD, "unknown server_error"),
        (400, {"type": "idempotency_error"}, "unknown key_reused"),
        (400, {"type": "api_error"}, "unknown unexpected_answer"),
        (400, DECLINED_BY_CARD, "unknown unexpected_answer"),
        (402, {"type": "invalid_request_error"}, "unknown unexpected_answer"),
        (418, {"type": "invalid_request_error"}, "unknown unexpected_answer"),
        (302, {"type": "card_error"}, "unknown unexpected_answer"),
        (100, {"type": "card_error"}, "unknown unexpected_answer"),
        (424, {"type": "external_dependency_failed"}, "unknown unexpected_answer"),
        (
            404,
            {"type": "invalid_request_error", "code": "resource_missing", "param": "intent"},
            "unknown payment_missing",
        ),
        (402, DECLINED_BY_CARD, "declined card_declined"),
    ],
)
def test_every_error_has_its_meaning(
    kind: OperationKind, status: int, members: dict[str, Any], expected: str
) -> None:
    assert short(said(kind, status, error(**members))) == expected


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("body", [{}, {"error": None}, {"error": "no"}, {"error": []}])
def test_an_error_that_is_not_stripes_is_no_answer(
    kind: OperationKind, body: dict[str, Any]
) -> None:
    assert said(kind, 400, body) == Unknown("unexpected_answer")


@pytest.mark.parametrize(
    ("kind", "code", "field", "expected"),
    [
        (CHARGE, "amount_too_small", "amount", "amount_not_supported"),
        (CHARGE, "amount_too_large", "amount", "amount_not_supported"),
        (CHARGE, None, "currency", "currency_not_supported"),
        (CHARGE, "resource_missing", "payment_method", "payment_method_unknown"),
        (CHARGE, "resource_missing", "customer", "payment_method_unknown"),
        (CHARGE, "payment_method_unactivated", None, "payment_method_unusable"),
        (CHARGE, None, "payment_method", "payment_method_unusable"),
        (CAPTURE, "charge_expired_for_capture", None, "authorization_expired"),
        (CAPTURE, "capture_charge_authorization_expired", None, "authorization_expired"),
        (CAPTURE, None, "amount_to_capture", "amount_not_supported"),
        (REFUND, "charge_already_refunded", None, "refund_too_large"),
        (REFUND, "charge_disputed", None, "payment_disputed"),
        (REFUND, "charge_not_refundable", None, "payment_not_refundable"),
        (REFUND, "payment_intent_unexpected_state", None, "payment_not_refundable"),
        (REFUND, "balance_insufficient", None, "gateway_balance_insufficient"),
        (REFUND, None, "amount", "refund_too_large"),
    ],
)
def test_a_request_that_cannot_be_done_is_declined(
    kind: OperationKind, code: str | None, field: str | None, expected: str
) -> None:
    body = error(type="invalid_request_error", code=code, param=field)
    assert short(said(kind, 400, body)) == f"declined {expected}"


UNREAD = (
    {"type": "invalid_request_error"},
    {"type": "invalid_request_error", "code": "parameter_unknown", "param": "confirm"},
    {"type": "invalid_request_error", "code": "charge_already_captured"},
)


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("members", UNREAD)
def test_a_refusal_that_cannot_be_read_is_a_decline_where_nothing_was_sent_before(
    kind: OperationKind, members: dict[str, Any]
) -> None:
    declined = "declined request_refused"
    looked_at = f"look, else {declined}"
    first = looked_at if kind in (CAPTURE, VOID) else declined
    assert short(said(kind, 400, error(**members))) == first
    assert short(said(kind, 400, error(**members), is_repeat=True)) == looked_at


@pytest.mark.parametrize(
    ("kind", "code", "field", "failure"),
    [
        (CHARGE, "amount_too_small", "amount", "declined amount_not_supported"),
        (AUTHORIZE, None, "currency", "declined currency_not_supported"),
        (CAPTURE, "charge_expired_for_capture", None, "declined authorization_expired"),
        (REFUND, "charge_already_refunded", None, "declined refund_too_large"),
        (REFUND, "payment_intent_unexpected_state", None, "declined payment_not_refundable"),
        # As another account's key would have it, in whose books nothing is found either.
        (CHARGE, "resource_missing", "payment_method", "unknown payment_method_missing"),
        (AUTHORIZE, "resource_missing", "customer", "unknown payment_method_missing"),
    ],
)
def test_a_refusal_says_nothing_of_what_was_sent_before(
    kind: OperationKind, code: str | None, field: str | None, failure: str
) -> None:
    body = error(type="invalid_request_error", code=code, param=field)
    assert short(said(kind, 400, body, is_repeat=True)) == f"look, else {failure}"


@pytest.mark.parametrize("kind", OperationKind)
def test_a_card_that_is_declined_is_declined_however_often_it_was_asked(
    kind: OperationKind,
) -> None:
    repeated = said(kind, 402, error(**DECLINED_BY_CARD), is_repeat=True)
    assert short(repeated) == "declined card_declined"


@pytest.mark.parametrize(
    ("code", "decline_code", "expected"),
    [
        ("card_declined", "insufficient_funds", "insufficient_funds"),
        ("card_declined", "generic_decline", "card_declined"),
        ("card_declined", "stolen_card", "card_declined"),
        ("card_declined", "lost_card", "card_declined"),
        ("card_declined", "fraudulent", "card_declined"),
        ("card_declined", "try_again_later", "card_declined"),
        ("card_declined", "a_reason_of_tomorrow", "card_declined"),
        ("card_declined", None, "card_declined"),
        (None, None, "card_declined"),
        ("expired_card", "expired_card", "expired_card"),
        ("incorrect_cvc", None, "incorrect_cvc"),
        ("card_declined", "invalid_cvc", "incorrect_cvc"),
        ("incorrect_number", None, "invalid_card"),
        ("card_declined", "card_velocity_exceeded", "card_limit_exceeded"),
        ("card_declined", "card_not_supported", "card_not_supported"),
        ("card_declined", "currency_not_supported", "currency_not_supported"),
        ("processing_error", None, "processing_error"),
        ("authentication_required", "authentication_required", "payer_action_required"),
    ],
)
def test_a_card_is_declined_with_the_reason_that_a_payer_may_know(
    code: str | None, decline_code: str | None, expected: str
) -> None:
    reason = {"type": "card_error", "code": code, "decline_code": decline_code}
    body = error(**reason, payment_intent=a_payment("requires_payment_method"))
    outcome = said(CHARGE, 402, body)
    assert short(outcome) == f"declined {expected}"
    assert "jenny" not in repr(outcome)


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("requires_payment_method", "declined card_declined"),
        ("canceled", "declined card_declined"),
        ("requires_action", "call cancel"),
        ("requires_confirmation", "call cancel"),
        ("processing", "unknown processing"),
        ("succeeded", "look, else unknown contradiction"),
        ("a_status_of_tomorrow", "unknown unexpected_status"),
    ],
)
def test_a_card_error_is_believed_where_the_payment_agrees(
    kind: OperationKind, status: str, expected: str
) -> None:
    body = error(**DECLINED_BY_CARD, payment_intent=a_payment(status))
    assert short(said(kind, 402, body)) == expected


def test_a_wish_for_authentication_without_its_payment_is_not_definite() -> None:
    body = error(type="card_error", code="authentication_required")
    assert short(said(CHARGE, 402, body)) == "unknown payer_action_required"


@pytest.mark.parametrize(
    ("kind", "status", "changes", "expected"),
    [
        (CAPTURE, "canceled", {}, "declined not_capturable"),
        (CAPTURE, "canceled", {"metadata": {}}, "declined authorization_expired"),
        (CAPTURE, "succeeded", {}, "look, else unknown contradiction"),
        (CAPTURE, "succeeded", {"metadata": {}}, "declined not_capturable"),
        (CAPTURE, "processing", {}, "unknown processing"),
        (CAPTURE, "requires_capture", {}, "look, else declined request_refused"),
        (CAPTURE, "requires_capture", {"id": "pi_another"}, "unknown mismatch"),
        (VOID, "canceled", {}, "look, else unknown contradiction"),
        (VOID, "canceled", {"metadata": {}}, "declined authorization_expired"),
        (VOID, "canceled", {"metadata": {"harbor_void": "another"}}, "declined not_voidable"),
        (VOID, "succeeded", {}, "declined not_voidable"),
    ],
)
def test_an_unexpected_state_is_what_the_payment_says(
    kind: OperationKind, status: str, changes: dict[str, Any], expected: str
) -> None:
    body = error(
        type="invalid_request_error",
        code="payment_intent_unexpected_state",
        payment_intent=a_payment(status, **changes),
    )
    assert short(said(kind, 400, body)) == expected


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7),
        ("0", 0),
        ("86400", 86_400),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
    ],
)
def test_a_wish_for_patience_is_handed_on(header: str | None, seconds: int | None) -> None:
    request = a_request(CHARGE)
    outcome = conclude(request, a_call(request), Answer(status=429, body={}, retry_after=header))
    pause = None if seconds is None else timedelta(seconds=seconds)
    assert outcome == Unknown("throttled", pause)


# A stored error.


@pytest.mark.parametrize(
    ("kind", "purpose"),
    [
        (CAPTURE, Purpose.ACT),
        (VOID, Purpose.MARK),
        (VOID, Purpose.ACT),
        (CHARGE, Purpose.LET_GO),
        (AUTHORIZE, Purpose.LET_GO),
    ],
)
def test_what_can_be_done_once_only_is_asked_without_its_key_where_that_says_only_an_error(
    kind: OperationKind, purpose: Purpose
) -> None:
    request = a_request(kind)
    call = a_call(request, purpose)
    stored = Answer(status=500, body=error(type="api_error"), is_replay=True)
    again = conclude(request, call, stored)
    assert again == replace(call, key=None)
    assert isinstance(again, Call)
    assert isinstance(conclude(request, again, stored), Unknown)
    for other in (replace(stored, is_replay=False), replace(stored, status=429)):
        assert isinstance(conclude(request, call, other), Unknown)


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE, REFUND])
def test_money_is_never_moved_without_a_key(kind: OperationKind) -> None:
    request = a_request(kind)
    stored = Answer(status=500, body=error(type="api_error"), is_replay=True)
    assert conclude(request, a_call(request), stored) == Unknown("server_error")


def test_a_void_that_is_marked_again_may_have_been_done() -> None:
    request = a_request(VOID)
    again = replace(a_call(request, Purpose.MARK), key=None)
    answer = Answer(status=200, body=a_payment("canceled"))
    assert short(conclude(request, again, answer)) == "approved"


# Letting go.

ABANDONED = a_payment("canceled", metadata=ONLY_MADE, cancellation_reason="abandoned")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, ABANDONED, "declined payer_action_required"),
        (
            400,
            error(type="invalid_request_error", payment_intent=ABANDONED),
            "declined payer_action_required",
        ),
        (200, a_payment("requires_action"), "unknown payer_action_required"),
        (200, a_payment("canceled", metadata={}), "unknown payer_action_required"),
        (
            400,
            error(type="invalid_request_error", payment_intent=a_payment("succeeded")),
            "unknown payer_action_required",
        ),
        (500, {}, "unknown payer_action_required"),
        (429, {}, "unknown payer_action_required"),
        (401, {}, "unknown payer_action_required"),
    ],
)
def test_a_payment_is_declined_once_stripe_says_that_it_is_canceled(
    status: int, body: dict[str, Any], expected: str
) -> None:
    request = a_request(CHARGE)
    call = let_go(request, PAYMENT, waits_for_payer=True)
    assert short(conclude(request, call, Answer(status=status, body=body))) == expected
    no_answer = conclude(request, call, Unknown("timeout"))
    assert no_answer == Unknown("payer_action_required")


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE])
@pytest.mark.parametrize("status", ["requires_confirmation", "requires_payment_method"])
def test_where_no_payer_was_wanted_none_is_spoken_of(kind: OperationKind, status: str) -> None:
    request = a_request(kind)
    step = said(kind, 200, a_payment(status))
    assert isinstance(step, Call)
    assert conclude(request, step, Unknown("timeout")) == Unknown("payment_open")
    still = Answer(status=200, body=a_payment(status))
    assert conclude(request, step, still) == Unknown("payment_open")
    reason = dict(step.fields)["cancellation_reason"]
    canceled = a_payment("canceled", metadata=ONLY_MADE, cancellation_reason=reason)
    assert conclude(request, step, Answer(status=200, body=canceled)) == Declined(failures.CANCELED)
    assert said(kind, 200, canceled) == Declined(failures.CANCELED)


def test_a_payment_that_begins_to_wait_for_its_payer_is_canceled_under_another_key() -> None:
    request = a_request(CHARGE)
    calls = [let_go(request, PAYMENT, waits_for_payer=waits) for waits in (True, False)]
    assert len({call.key for call in calls}) == len({call.fields for call in calls}) == 2


# Whatever comes.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=10,
)
requests = st.sampled_from(OperationKind).map(a_request)
statuses = st.integers(100, 599) | st.sampled_from([200, 400, 402, 404, 409, 429, 500])
purposes = st.sampled_from([Purpose.ACT, Purpose.MARK, Purpose.LET_GO])


@st.composite
def near_answers(draw: st.DrawFn) -> dict[str, Any]:
    """A real answer in which some members are anything at all."""
    status = draw(st.sampled_from([*PAYMENT_STATUSES, *REFUND_STATUSES]))
    body = draw(st.sampled_from([a_payment(status), a_refund(status)]))
    spoilt = draw(st.sets(st.sampled_from(sorted(body)), max_size=3))
    body = body | {name: draw(json_values) for name in spoilt}
    wrapped = draw(st.booleans())
    return error(**DECLINED_BY_CARD, payment_intent=body) if wrapped else body


@given(requests, purposes, statuses, st.dictionaries(st.text(), json_values) | near_answers())
def test_nothing_raises_and_nothing_is_approved_unless_it_matches(
    request: GatewayRequest, purpose: Purpose, status: int, body: dict[str, Any]
) -> None:
    step = conclude(request, a_call(request, purpose), Answer(status=status, body=body))
    assert isinstance(step, Approved | Declined | Unknown | Call | Doubt)
    if isinstance(step, Approved):
        assert 200 <= status < 300
        assert body["object"] == ("refund" if request.kind is REFUND else "payment_intent")
        assert body["status"] in ("succeeded", "requires_capture", "canceled")
        assert step.reference in ("", *body["metadata"].values())
        assert step.amount.currency == body["currency"].upper()


@given(requests, st.dictionaries(st.text(), json_values) | near_answers())
def test_a_call_more_is_never_asked_for_by_what_was_let_go(
    request: GatewayRequest, body: dict[str, Any]
) -> None:
    call = a_call(request, Purpose.LET_GO)
    step = conclude(request, call, Answer(status=200, body=body))
    assert isinstance(step, Declined | Unknown)


def test_every_failure_is_a_code_and_a_sentence() -> None:
    named = [value for value in vars(failures).values() if isinstance(value, Failure)]
    assert len(named) > 15
    assert len({failure.code for failure in named}) == len(named)
    for failure in named:
        assert failure.code.replace("_", "").isalpha()
        assert failure.message.endswith(".")
