"""The one public JSON document of an order: the response, its stored replay, the event, the CLI.

Fields are named here one by one, so that an internal field can leave only by being named.
"""

from application.json_text import rfc3339
from domain.order import Order


def order_document(order: Order) -> dict[str, object]:
    """Every field is always present; null where there is nothing. Times are RFC 3339 UTC."""
    request = order.request
    failure = order.failure
    return {
        "id": str(order.id),
        "status": str(order.status),
        "customer_id": request.customer_id,
        "amount_cents": request.amount.amount_minor,
        "currency": request.amount.currency,
        "invoice_id": request.invoice_id,
        "description": request.description,
        "payment_method": request.payment_method,
        "capture_method": str(request.capture_method),
        "metadata": dict(request.metadata),
        "amount_captured_cents": order.captured.amount_minor,
        "amount_refunded_cents": order.refunded.amount_minor,
        "failure": failure and {"code": failure.code, "message": failure.message},
        "version": order.version,
        "created_at": rfc3339(order.created_at),
        "updated_at": rfc3339(order.updated_at),
    }
