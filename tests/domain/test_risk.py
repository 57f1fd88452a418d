"""The risk score: bounded, never lower for more money, and never told to anyone."""

import json

from hypothesis import given
from hypothesis import strategies as st

from application.json_text import render
from application.order_document import order_document
from domain.money import Money
from domain.order import Order
from domain.risk import MAX_SCORE, risk_score
from tests.examples import currencies, ids, monies, orders

MERCHANT = ids.new()


@given(currencies.flatmap(monies), st.booleans(), st.booleans())
def test_the_score_is_between_0_and_100(money: Money, invoice: bool, method: bool) -> None:
    score = risk_score(amount=money, has_invoice=invoice, has_payment_method=method)
    assert 0 <= score <= MAX_SCORE


@given(
    currencies.flatmap(lambda code: st.tuples(monies(code), monies(code))),
    st.booleans(),
    st.booleans(),
)
def test_more_money_never_scores_lower(
    pair: tuple[Money, Money], invoice: bool, method: bool
) -> None:
    small, large = sorted(pair)
    assert risk_score(amount=small, has_invoice=invoice, has_payment_method=method) <= risk_score(
        amount=large, has_invoice=invoice, has_payment_method=method
    )


@given(currencies.flatmap(monies), st.booleans())
def test_an_invoice_or_a_payment_method_never_scores_higher(money: Money, other: bool) -> None:
    def score(*, invoice: bool, method: bool) -> int:
        return risk_score(amount=money, has_invoice=invoice, has_payment_method=method)

    assert score(invoice=True, method=other) < score(invoice=False, method=other)
    assert score(invoice=other, method=True) < score(invoice=other, method=False)


def test_large_is_judged_in_major_units_of_the_currency() -> None:
    def score(minor: int, currency: str) -> int:
        money = Money(amount_minor=minor, currency=currency)
        return risk_score(amount=money, has_invoice=True, has_payment_method=True)

    assert score(10_000, "JPY") == score(1_000_000, "EUR") == score(10_000_000, "KWD") == 30
    assert score(9_999, "JPY") == score(999_999, "EUR") == score(9_999_999, "KWD") == 5
    assert score(50_000, "JPY") == score(5_000_000, "EUR") == 60


@given(orders(MERCHANT))
def test_the_score_never_appears_in_the_public_document(order: Order) -> None:
    document = order_document(order)
    names = {*document, *json.loads(render(document))}
    assert not any("risk" in name or "score" in name for name in names)
    assert set(document) == {
        "id",
        "status",
        "customer_id",
        "amount_cents",
        "currency",
        "invoice_id",
        "description",
        "payment_method",
        "capture_method",
        "metadata",
        "amount_captured_cents",
        "amount_refunded_cents",
        "failure",
        "version",
        "created_at",
        "updated_at",
    }
