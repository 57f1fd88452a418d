"""The rules of the simulated gateway's bank."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from adapters.simulated.bank import (
    AUTHORIZATION_LASTS,
    Payment,
    PaymentState,
    authorize,
    change,
    charge,
)
from domain.money import Money
from domain.payment import AUTHORIZATION_EXPIRED, Failure, OperationKind
from tests.fakes import NOW

# Few amounts, so that many of them just fit.
amounts = st.integers(1, 12).map(lambda minor: Money(amount_minor=minor, currency="EUR"))
changes = st.lists(
    st.tuples(
        st.sampled_from([OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND]),
        st.integers(0, 12).map(lambda minor: Money(amount_minor=minor, currency="EUR")),
        st.timedeltas(timedelta(), timedelta(days=9)),
    ),
    max_size=12,
)


def euros(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


def made(payment: Payment | Failure) -> Payment:
    assert isinstance(payment, Payment), payment
    return payment


def code_of(refusal: Payment | Failure) -> str:
    assert isinstance(refusal, Failure), refusal
    return refusal.code


AUTHORIZATION = made(authorize("a payment", euros(10), NOW))
CHARGED = made(charge("a payment", euros(10)))


@given(amounts, st.booleans(), changes)
def test_no_more_is_captured_than_authorized_and_no_more_refunded_than_captured(
    amount: Money, at_once: bool, asked: list[tuple[OperationKind, Money, timedelta]]
) -> None:
    payment = made(charge("it", amount) if at_once else authorize("it", amount, NOW))
    captured = [payment.captured] if at_once else []
    refunded = euros(0)
    for kind, wanted, later in asked:
        after = change(payment, kind, wanted, NOW + later)
        if isinstance(after, Failure):
            continue
        payment = after
        if kind is OperationKind.CAPTURE:
            captured.append(wanted)
        if kind is OperationKind.REFUND:
            refunded += wanted
    assert len(captured) <= 1
    assert payment.captured == (captured[0] if captured else euros(0))
    assert payment.captured <= payment.authorized == amount
    assert payment.refunded == refunded <= payment.captured
    assert (payment.state is PaymentState.CAPTURED) == bool(captured)


@given(amounts, changes)
def test_after_it_has_lapsed_nothing_is_done_with_an_authorization(
    amount: Money, asked: list[tuple[OperationKind, Money, timedelta]]
) -> None:
    payment = made(authorize("it", amount, NOW))
    for kind, wanted, later in asked:
        refusal = code_of(change(payment, kind, wanted, NOW + AUTHORIZATION_LASTS + later))
        if kind is OperationKind.REFUND:
            assert refusal == "not_refundable"
        else:
            assert refusal == AUTHORIZATION_EXPIRED


def test_an_authorization_stands_until_the_moment_at_which_it_lapses() -> None:
    at = NOW + AUTHORIZATION_LASTS
    just_before = at - timedelta(microseconds=1)
    made(change(AUTHORIZATION, OperationKind.CAPTURE, euros(10), just_before))
    made(change(AUTHORIZATION, OperationKind.VOID, euros(10), just_before))
    refusal = change(AUTHORIZATION, OperationKind.CAPTURE, euros(10), at)
    assert code_of(refusal) == AUTHORIZATION_EXPIRED


def test_each_refusal_has_its_code() -> None:
    voided = made(change(AUTHORIZATION, OperationKind.VOID, euros(10), NOW))
    dollars = Money(amount_minor=10, currency="USD")
    capture, void, refund = OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND
    refusals = [
        (charge("it", euros(0)), "amount_invalid"),
        (authorize("it", euros(0), NOW), "amount_invalid"),
        (change(None, capture, euros(1), NOW), "payment_not_found"),
        (change(AUTHORIZATION, capture, dollars, NOW), "currency_mismatch"),
        (change(AUTHORIZATION, capture, euros(0), NOW), "amount_invalid"),
        (change(AUTHORIZATION, capture, euros(11), NOW), "capture_too_large"),
        (change(AUTHORIZATION, refund, euros(1), NOW), "not_refundable"),
        (change(CHARGED, capture, euros(1), NOW), "not_capturable"),
        (change(CHARGED, void, euros(1), NOW), "not_voidable"),
        (change(CHARGED, refund, euros(0), NOW), "amount_invalid"),
        (change(CHARGED, refund, euros(11), NOW), "refund_too_large"),
        (change(voided, capture, euros(1), NOW), "not_capturable"),
        (change(voided, void, euros(1), NOW), "not_voidable"),
        (change(voided, refund, euros(1), NOW), "not_refundable"),
    ]
    assert [code_of(refusal) for refusal, _ in refusals] == [code for _, code in refusals]
