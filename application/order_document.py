"""The one public JSON document of an order: the response, its stored replay, the event, the CLI.

Fields are named here one by one, so that an internal field can leave only by being named. They are
written as text at once: a page has many orders.
"""

import json
from typing import Any

from application.json_text import json_text, rfc3339
from domain.order import Order


def order_json(order: Order) -> str:
    """JSON without white space, as `render` writes it. Every field is always present; null where
    there is nothing. Times are RFC 3339 UTC."""
    request = order.request
    failure = order.failure
    created_at = rfc3339(order.created_at)
    unchanged = order.updated_at == order.created_at
    return (
        f'{{"id":"{order.id}"'
        f',"status":"{order.status}"'
        f',"customer_id":{json_text(request.customer_id)}'
        f',"amount_cents":{request.amount.amount_minor}'
        f',"currency":"{request.amount.currency}"'
        f',"invoice_id":{json_text(request.invoice_id)}'
        f',"description":{json_text(request.description)}'
        f',"payment_method":{json_text(request.payment_method)}'
        f',"capture_method":"{request.capture_method}"'
        f',"metadata":{json_text(dict(request.metadata)) if request.metadata else "{}"}'
        f',"amount_captured_cents":{order.captured.amount_minor}'
        f',"amount_refunded_cents":{order.refunded.amount_minor}'
        f',"failure":{json_text(failure and {"code": failure.code, "message": failure.message})}'
        f',"version":{order.version}'
        f',"created_at":"{created_at}"'
        f',"updated_at":"{created_at if unchanged else rfc3339(order.updated_at)}"}}'
    )


def order_document(order: Order) -> dict[str, Any]:
    """The same as a value, to be part of another document."""
    document: dict[str, Any] = json.loads(order_json(order))
    return document
