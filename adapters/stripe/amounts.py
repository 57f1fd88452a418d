"""How Stripe counts money, which for a few currencies is not how ISO 4217 counts it.

Source: https://docs.stripe.com/currencies, "Zero-decimal currencies", "Three-decimal currencies"
and "Special cases". HUF and TWD are special for payouts only.
"""

from typing import Final

from domain.money import MAX_AMOUNT_MINOR, MINOR_UNIT_EXPONENTS, Money

_TIMES_100: Final = frozenset({"ISK", "UGX"})
"""Without a minor unit, but sent as if they had two digits, which are always 00."""
_WHOLE_ONLY: Final = frozenset({"MGA"})
"""Two digits in ISO 4217, none at Stripe."""
_ENDS_IN_0: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
"""Three digits, the last of which has to be 0."""
_NOT_AT_STRIPE: Final = frozenset({"CLF", "IQD", "LYD", "UYI", "UYW"})
"""Not in Stripe's table, and not of two digits: nobody can say how Stripe would count them."""


def to_stripe(money: Money) -> int | None:
    """Stripe's `amount`; None when Stripe has no way to say exactly that."""
    currency, minor = money.currency, money.amount_minor
    if currency in _NOT_AT_STRIPE:
        return None
    if currency in _TIMES_100:
        return minor * 100
    if currency in _WHOLE_ONLY:
        return minor // 100 if minor % 100 == 0 else None
    if currency in _ENDS_IN_0 and minor % 10:
        return None
    return minor


def from_stripe(amount: int, currency: str) -> Money | None:
    """The money that Stripe's `amount` and lower-case `currency` stand for; None for nonsense."""
    code = currency.upper()
    minor = amount
    if code in _TIMES_100:
        minor, rest = divmod(amount, 100)
        if rest:
            return None
    if code in _WHOLE_ONLY:
        minor = amount * 100
    known = code in MINOR_UNIT_EXPONENTS and code not in _NOT_AT_STRIPE
    if not known or not 0 <= minor <= MAX_AMOUNT_MINOR:
        return None
    return Money(amount_minor=minor, currency=code)
