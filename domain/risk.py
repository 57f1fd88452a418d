"""The internal risk score. It is stored for the risk team and never leaves the process."""

from domain.money import Money

MAX_SCORE = 100

_LARGE_MAJOR_UNITS = 10_000
_VERY_LARGE_MAJOR_UNITS = 50_000


def risk_score(*, amount: Money, has_invoice: bool, has_payment_method: bool) -> int:
    """0 (harmless) to 100 (look at it before shipping).

    Points for what fraud in B2B invoicing has in common: a large amount, no invoice behind the
    order, no payment method that was stored before.
    """
    major_units = amount.amount_minor // 10**amount.exponent
    score = 5
    if major_units >= _LARGE_MAJOR_UNITS:
        score += 25
    if major_units >= _VERY_LARGE_MAJOR_UNITS:
        score += 30
    if not has_invoice:
        score += 20
    if not has_payment_method:
        score += 10
    return min(score, MAX_SCORE)
