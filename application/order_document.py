"""The one public JSON document of an order: the response, its stored replay, the event, the CLI.

Fields are named here one by one, so that an internal field can leave only by being named. They are
written as text at once: a page has many orders.
"""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from application.json_text import json_object_text, json_text, rfc3339
from domain.order import Order


def order_json(order: Order) -> str:
    """JSON without white space, as `render` writes it. Every field is always present; null where
    there is nothing. Times are RFC 3339 UTC."""
    request, failure = order.request, order.failure
    return order_text(
        id=order.id,
        status=order.status,
        customer_id=request.customer_id,
        amount_minor=request.amount.amount_minor,
        currency=request.amount.currency,
        invoice_id=request.invoice_id,
        description=request.description,
        payment_method=request.payment_method,
        capture_method=request.capture_method,
        metadata_json=json_object_text(request.metadata),
        captured_minor=order.captured.amount_minor,
        refunded_minor=order.refunded.amount_minor,
        failure=None if failure is None else (failure.code, failure.message),
        version=order.version,
        created_at=order.created_at,
        updated_at=order.updated_at,
    )


def order_text(  # noqa: PLR0913 - one for each field, named by the caller
    *,
    id: UUID,  # noqa: A002 - as the document names it
    status: str,
    customer_id: str,
    amount_minor: int,
    currency: str,
    invoice_id: str | None,
    description: str | None,
    payment_method: str | None,
    capture_method: str,
    metadata_json: str,
    captured_minor: int,
    refunded_minor: int,
    failure: tuple[str, str] | None,
    version: int,
    created_at: datetime,
    updated_at: datetime,
) -> str:
    """The document from its values, for who has them without an Order; `failure` is code and
    message."""
    created = rfc3339(created_at)
    updated = created if updated_at == created_at else rfc3339(updated_at)
    return (
        f'{{"id":"{id}"'
        f',"status":"{status}"'
        f',"customer_id":{json_text(customer_id)}'
        f',"amount_cents":{amount_minor}'
        f',"currency":"{currency}"'
        f',"invoice_id":{json_text(invoice_id)}'
        f',"description":{json_text(description)}'
        f',"payment_method":{json_text(payment_method)}'
        f',"capture_method":"{capture_method}"'
        f',"metadata":{metadata_json}'
        f',"amount_captured_cents":{captured_minor}'
        f',"amount_refunded_cents":{refunded_minor}'
        f',"failure":{json_text(failure and {"code": failure[0], "message": failure[1]})}'
        f',"version":{version}'
        f',"created_at":"{created}"'
        f',"updated_at":"{updated}"}}'
    )


def order_document(order: Order) -> dict[str, Any]:
    """The same as a value, to be part of another document."""
    document: dict[str, Any] = json.loads(order_json(order))
    return document
