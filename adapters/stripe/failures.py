"""Why Stripe declines, in Harbor's words.

Stripe's own texts stay at Stripe: they may name a customer, a card or an amount. What a payer must
not learn is not told apart either: a card that is reported stolen is a card that was declined
(https://docs.stripe.com/declines/codes says so of `fraudulent`, `lost_card` and others).
"""

from collections.abc import Mapping
from typing import Final

from adapters.stripe.wire import RESOURCE_MISSING
from domain.payment import AUTHORIZATION_EXPIRED, Failure

LAPSED: Final = Failure(
    code=AUTHORIZATION_EXPIRED,
    message="The authorization has lapsed or was released; nothing is left to capture.",
)
PAYER_ACTION: Final = Failure(
    code="payer_action_required",
    message="The payer would have had to confirm this payment, and nobody was there to do so.",
)
CANCELED: Final = Failure(
    code="payment_canceled", message="The payment was canceled at the gateway; nothing was taken."
)
AMOUNT: Final = Failure(
    code="amount_not_supported",
    message="The gateway cannot move this amount of this currency.",
)
CURRENCY: Final = Failure(
    code="currency_not_supported", message="The gateway does not take this currency."
)
METHOD_MISSING: Final = Failure(
    code="payment_method_missing", message="The order names no payment method."
)
METHOD_UNKNOWN: Final = Failure(
    code="payment_method_unknown", message="The gateway does not know the payment method."
)
METHOD_UNUSABLE: Final = Failure(
    code="payment_method_unusable",
    message="The gateway cannot charge this payment method in this way.",
)
PAYMENT_NOT_FOUND: Final = Failure(
    code="payment_not_found", message="There is no payment at the gateway that this is about."
)
NOT_CAPTURABLE: Final = Failure(
    code="not_capturable", message="The payment has been captured or voided before."
)
NOT_VOIDABLE: Final = Failure(
    code="not_voidable", message="The payment has been captured or voided before."
)
REFUND_TOO_LARGE: Final = Failure(
    code="refund_too_large", message="The refund is larger than what is left of the payment."
)
DISPUTED: Final = Failure(
    code="payment_disputed", message="The payment is disputed and cannot be refunded."
)
NOT_REFUNDABLE: Final = Failure(
    code="payment_not_refundable", message="The payment cannot be refunded."
)
REFUND_FAILED: Final = Failure(
    code="refund_failed", message="The payer's bank did not take the refund."
)
BALANCE: Final = Failure(
    code="gateway_balance_insufficient",
    message="The balance at the gateway does not cover the refund.",
)
REFUSED: Final = Failure(
    code="request_refused", message="The gateway refused the request as it stands."
)
DECLINED: Final = Failure(code="card_declined", message="The card was declined.")
_INSUFFICIENT: Final = Failure(
    code="insufficient_funds", message="The card has insufficient funds."
)
_EXPIRED: Final = Failure(code="expired_card", message="The card has expired.")
_CVC: Final = Failure(code="incorrect_cvc", message="The card's security code is incorrect.")
_NUMBER: Final = Failure(code="invalid_card", message="The card's details are not valid.")
_LIMIT: Final = Failure(
    code="card_limit_exceeded", message="The card's limit for amounts or uses is exceeded."
)
_CARD_UNSUPPORTED: Final = Failure(
    code="card_not_supported", message="The card does not support this kind of purchase."
)
_PROCESSING: Final = Failure(
    code="processing_error", message="The card could not be processed; nothing was taken."
)

_CARD: Final[Mapping[str, Failure]] = {
    "authentication_required": PAYER_ACTION,
    "authentication_not_handled": PAYER_ACTION,
    "payment_intent_authentication_failure": PAYER_ACTION,
    "insufficient_funds": _INSUFFICIENT,
    "withdrawal_count_limit_exceeded": _LIMIT,
    "card_velocity_exceeded": _LIMIT,
    "expired_card": _EXPIRED,
    "incorrect_cvc": _CVC,
    "invalid_cvc": _CVC,
    "incorrect_number": _NUMBER,
    "invalid_number": _NUMBER,
    "invalid_account": _NUMBER,
    "invalid_expiry_month": _NUMBER,
    "invalid_expiry_year": _NUMBER,
    "currency_not_supported": CURRENCY,
    "invalid_amount": AMOUNT,
    "card_not_supported": _CARD_UNSUPPORTED,
    "transaction_not_allowed": _CARD_UNSUPPORTED,
    "processing_error": _PROCESSING,
    "issuer_not_available": _PROCESSING,
    "capture_charge_authorization_expired": LAPSED,
    "charge_expired_for_capture": LAPSED,
}


def of_card(code: str | None, decline_code: str | None) -> Failure:
    """A card error: the issuer's reason where it gave one, else Stripe's, else just declined.
    https://docs.stripe.com/declines/codes, https://docs.stripe.com/error-codes"""
    return _CARD.get(decline_code or "") or _CARD.get(code or "") or DECLINED


_REFUSALS: Final[Mapping[str, Failure]] = {
    "amount_too_small": AMOUNT,
    "amount_too_large": AMOUNT,
    "charge_exceeds_transaction_limit": AMOUNT,
    "capture_charge_authorization_expired": LAPSED,
    "charge_expired_for_capture": LAPSED,
    "charge_already_refunded": REFUND_TOO_LARGE,
    "charge_disputed": DISPUTED,
    "charge_not_refundable": NOT_REFUNDABLE,
    "balance_insufficient": BALANCE,
    "insufficient_funds": BALANCE,
    "payment_method_unactivated": METHOD_UNUSABLE,
}

_REFUSED_FIELDS: Final[Mapping[str, Failure]] = {
    "amount": AMOUNT,
    "amount_to_capture": AMOUNT,
    "currency": CURRENCY,
    "customer": METHOD_UNUSABLE,
    "payment_method": METHOD_UNUSABLE,
    "payment_method_types": METHOD_UNUSABLE,
}


def of_refusal(code: str | None, field: str | None, *, refund: bool) -> Failure | None:
    """An `invalid_request_error` that is about what was asked; None when it is about anything
    else. So it is for `charge_already_captured`, for it may have been us.
    https://docs.stripe.com/error-codes"""
    if code == RESOURCE_MISSING:
        return METHOD_UNKNOWN if field in ("payment_method", "customer") else None
    if refund and code is None and field == "amount":
        return REFUND_TOO_LARGE
    return _REFUSALS.get(code or "") or _REFUSED_FIELDS.get(field or "")
