"""The public JSON document of a refund: a payment operation as the integrator sees it."""

from typing import Final

from application.json_text import json_text, rfc3339
from domain.payment import OperationState, PaymentOperation

_STATUS: Final = {
    OperationState.SUCCEEDED: "succeeded",
    OperationState.FAILED: "failed",
}
"""Of what has ended; everything before is pending."""


def refund_json(refund: PaymentOperation) -> str:
    """JSON without white space. Every field is always present; null where there is nothing."""
    return (
        f'{{"id":"{refund.id}"'
        f',"order_id":"{refund.order_id}"'
        f',"amount_cents":{refund.amount.amount_minor}'
        f',"status":"{_STATUS.get(refund.state, "pending")}"'
        f',"reason":{json_text(refund.reason)}'
        f',"created_at":"{rfc3339(refund.created_at)}"}}'
    )
