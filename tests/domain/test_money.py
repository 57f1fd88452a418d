"""Money: integers of one currency, or a refusal."""

import operator
from collections.abc import Callable

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import DomainError
from domain.money import MAX_AMOUNT_MINOR, MINOR_UNIT_EXPONENTS, Money
from tests.examples import amounts, currencies, monies

pairs = currencies.flatmap(lambda code: st.tuples(monies(code), monies(code)))


def test_the_currencies_are_those_of_iso_4217_that_have_a_minor_unit() -> None:
    assert {
        currency.code: currency.exponent
        for currency in iso4217.Currency
        if currency.exponent is not None
    } == MINOR_UNIT_EXPONENTS


@given(pairs)
def test_money_adds_and_subtracts_like_integers_within_range(pair: tuple[Money, Money]) -> None:
    a, b = pair
    total = a.amount_minor + b.amount_minor
    if total > MAX_AMOUNT_MINOR:
        with pytest.raises(DomainError) as refusal:
            a + b
        assert refusal.value.code == "amount_out_of_range"
    else:
        assert a + b == Money(amount_minor=total, currency=a.currency)
        assert (a + b) - b == a


@given(pairs)
def test_money_never_goes_below_zero(pair: tuple[Money, Money]) -> None:
    a, b = pair
    if a.amount_minor < b.amount_minor:
        with pytest.raises(DomainError) as refusal:
            a - b
        assert refusal.value.code == "amount_out_of_range"
    else:
        assert (a - b).amount_minor == a.amount_minor - b.amount_minor


@given(pairs)
def test_money_of_one_currency_is_ordered_by_amount(pair: tuple[Money, Money]) -> None:
    a, b = pair
    assert (a < b, a <= b, a == b) == (
        a.amount_minor < b.amount_minor,
        a.amount_minor <= b.amount_minor,
        a.amount_minor == b.amount_minor,
    )


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.lt, operator.le])
@given(st.lists(currencies, min_size=2, max_size=2, unique=True), amounts, amounts)
def test_amounts_of_two_currencies_do_not_mix(
    operation: Callable[[Money, Money], object], codes: list[str], a: int, b: int
) -> None:
    with pytest.raises(DomainError) as refusal:
        operation(
            Money(amount_minor=a, currency=codes[0]), Money(amount_minor=b, currency=codes[1])
        )
    assert refusal.value.code == "currency_mismatch"


@pytest.mark.parametrize("amount", [-1, MAX_AMOUNT_MINOR + 1])
def test_an_amount_outside_a_signed_64_bit_column_is_refused(amount: int) -> None:
    with pytest.raises(DomainError) as refusal:
        Money(amount_minor=amount, currency="EUR")
    assert refusal.value.code == "amount_out_of_range"


@pytest.mark.parametrize("code", ["eur", "XXX", "XAU", "XTS", "DEM", "", "EURO", " EUR"])
def test_a_currency_nobody_can_be_billed_in_is_refused(code: str) -> None:
    with pytest.raises(DomainError) as refusal:
        Money.zero(code)
    assert (refusal.value.code, refusal.value.field) == ("currency_unknown", "currency")


@given(currencies, st.integers(1, MAX_AMOUNT_MINOR))
def test_only_zero_is_zero(code: str, amount: int) -> None:
    assert Money.zero(code).is_zero
    assert not Money(amount_minor=amount, currency=code).is_zero


@pytest.mark.parametrize(
    ("amount", "currency", "reading"),
    [
        (1999, "EUR", "19.99 EUR"),
        (5, "EUR", "0.05 EUR"),
        (0, "EUR", "0.00 EUR"),
        (500, "JPY", "500 JPY"),
        (1_234_567, "KWD", "1234.567 KWD"),
        (1, "CLF", "0.0001 CLF"),
        (MAX_AMOUNT_MINOR, "USD", "92233720368547758.07 USD"),
    ],
)
def test_money_reads_as_people_write_it(amount: int, currency: str, reading: str) -> None:
    assert str(Money(amount_minor=amount, currency=currency)) == reading


@given(currencies.flatmap(monies))
def test_the_reading_holds_every_digit(money: Money) -> None:
    number, _, currency = str(money).partition(" ")
    assert currency == money.currency
    assert int(number.replace(".", "")) == money.amount_minor
    assert len(number.partition(".")[2]) == money.exponent
