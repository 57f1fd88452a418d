"""The only place where rows become values of the domain and the reverse."""

import json
from typing import Any, Protocol

from application.fingerprint import Fingerprint
from application.json_text import json_object_text
from application.order_document import order_text
from application.ports.idempotency import StoredAnswer
from application.ports.orders import ListedOrder
from domain.event import EventType, OrderEvent
from domain.merchant import ApiKey, Scope
from domain.money import Money
from domain.order import CaptureMethod, Order, OrderRequest, OrderStatus
from domain.payment import Attempt, Failure, OperationKind, OperationState, PaymentOperation


class Row(Protocol):
    """A row as SQLAlchemy hands it over: values by column name."""

    def __getitem__(self, name: str, /) -> Any: ...


def order_to_row(order: Order) -> dict[str, Any]:
    request = order.request
    return {
        "id": order.id,
        "merchant_id": order.merchant_id,
        "idempotency_key": order.idempotency_key,
        "customer_id": request.customer_id,
        "amount_minor": request.amount.amount_minor,
        "currency": request.amount.currency,
        "invoice_id": request.invoice_id,
        "description": request.description,
        "payment_method": request.payment_method,
        "capture_method": request.capture_method.value,
        "metadata": json_object_text(request.metadata),
        "status": order.status.value,
        "captured_minor": order.captured.amount_minor,
        "refunded_minor": order.refunded.amount_minor,
        "refunding_minor": order.refunding.amount_minor,
        "failure_code": order.failure and order.failure.code,
        "failure_message": order.failure and order.failure.message,
        "payment_id": order.payment_id,
        "risk_score": order.risk_score,
        "version": order.version,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }


def row_to_order(row: Row) -> Order:
    currency = row["currency"]
    return Order(
        id=row["id"],
        merchant_id=row["merchant_id"],
        idempotency_key=row["idempotency_key"],
        request=OrderRequest(
            customer_id=row["customer_id"],
            amount=Money(amount_minor=row["amount_minor"], currency=currency),
            invoice_id=row["invoice_id"],
            description=row["description"],
            payment_method=row["payment_method"],
            capture_method=CaptureMethod(row["capture_method"]),
            metadata=json.loads(row["metadata"]),
        ),
        status=OrderStatus(row["status"]),
        captured=Money(amount_minor=row["captured_minor"], currency=currency),
        refunded=Money(amount_minor=row["refunded_minor"], currency=currency),
        refunding=Money(amount_minor=row["refunding_minor"], currency=currency),
        failure=_failure(row),
        payment_id=row["payment_id"],
        risk_score=row["risk_score"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _failure(row: Row) -> Failure | None:
    code = row["failure_code"]
    return None if code is None else Failure(code=code, message=row["failure_message"])


def row_to_listed_order(row: Row) -> ListedOrder:
    """Past the Order, which would cost more than all else that a page costs."""
    code = row["failure_code"]
    text = order_text(
        id=row["id"],
        status=row["status"],
        customer_id=row["customer_id"],
        amount_minor=row["amount_minor"],
        currency=row["currency"],
        invoice_id=row["invoice_id"],
        description=row["description"],
        payment_method=row["payment_method"],
        capture_method=row["capture_method"],
        metadata_json=row["metadata"],
        captured_minor=row["captured_minor"],
        refunded_minor=row["refunded_minor"],
        failure=None if code is None else (code, row["failure_message"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
    return ListedOrder(row["id"], row["created_at"], text)


def operation_to_row(operation: PaymentOperation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "merchant_id": operation.merchant_id,
        "order_id": operation.order_id,
        "kind": operation.kind.value,
        "amount_minor": operation.amount.amount_minor,
        "currency": operation.amount.currency,
        "gateway": operation.gateway,
        "payment_method": operation.payment_method,
        "payment_id": operation.payment_id,
        "reason": operation.reason,
        "state": operation.state.value,
        "failure_code": operation.failure and operation.failure.code,
        "failure_message": operation.failure and operation.failure.message,
        "problem": operation.problem,
        "fence": operation.fence,
        "attempts": operation.attempts,
        "due_at": operation.due_at,
        "first_sent_at": operation.first_sent_at,
        "lease_expires_at": operation.lease_expires_at,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
    }


def row_to_operation(row: Row) -> PaymentOperation:
    return PaymentOperation(
        id=row["id"],
        merchant_id=row["merchant_id"],
        order_id=row["order_id"],
        kind=OperationKind(row["kind"]),
        amount=Money(amount_minor=row["amount_minor"], currency=row["currency"]),
        gateway=row["gateway"],
        payment_method=row["payment_method"],
        payment_id=row["payment_id"],
        reason=row["reason"],
        state=OperationState(row["state"]),
        failure=_failure(row),
        problem=row["problem"],
        fence=row["fence"],
        attempts=row["attempts"],
        due_at=row["due_at"],
        first_sent_at=row["first_sent_at"],
        lease_expires_at=row["lease_expires_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def attempt_to_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "operation_id": attempt.operation_id,
        "merchant_id": attempt.merchant_id,
        "number": attempt.number,
        "started_at": attempt.started_at,
        "ended_at": attempt.ended_at,
        "outcome": attempt.outcome,
        "code": attempt.code,
    }


def row_to_attempt(row: Row) -> Attempt:
    return Attempt(
        operation_id=row["operation_id"],
        merchant_id=row["merchant_id"],
        number=row["number"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        code=row["code"],
    )


def event_to_row(event: OrderEvent, document: str) -> dict[str, Any]:
    """`document` is the order's public document as the event's change left it."""
    return {
        "id": event.id,
        "merchant_id": event.merchant_id,
        "order_id": event.order_id,
        "order_version": event.order_version,
        "type": event.type.value,
        "occurred_at": event.occurred_at,
        "data": document,
        "sequence": None,
        "endpoint_id": None,
    }


def row_to_event(row: Row) -> OrderEvent:
    return OrderEvent(
        id=row["id"],
        merchant_id=row["merchant_id"],
        order_id=row["order_id"],
        order_version=row["order_version"],
        type=EventType(row["type"]),
        occurred_at=row["occurred_at"],
    )


def answer_to_row(answer: StoredAnswer) -> dict[str, Any]:
    return {
        "merchant_id": answer.merchant_id,
        "key": answer.key,
        "route": answer.route,
        "fingerprint_version": answer.fingerprint.version,
        "fingerprint": answer.fingerprint.digest,
        "members": answer.fingerprint.members,
        "resource_type": answer.resource_type,
        "resource_id": answer.resource_id,
        "status": answer.status,
        "location": answer.location,
        "body": answer.body,
        "sealed": answer.sealed,
        "created_at": answer.created_at,
        "expires_at": answer.expires_at,
    }


def row_to_answer(row: Row) -> StoredAnswer:
    return StoredAnswer(
        merchant_id=row["merchant_id"],
        key=row["key"],
        route=row["route"],
        fingerprint=Fingerprint(
            version=row["fingerprint_version"],
            digest=row["fingerprint"],
            members=row["members"],
        ),
        resource_type=row["resource_type"],
        resource_id=row["resource_id"],
        status=row["status"],
        location=row["location"],
        body=row["body"],
        sealed=row["sealed"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def api_key_to_row(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "merchant_id": key.merchant_id,
        "name": key.name,
        "prefix": key.prefix,
        "digest": key.digest,
        "scopes": " ".join(sorted(key.scopes)),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "replaced_by": key.replaced_by,
    }


def row_to_api_key(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        merchant_id=row["merchant_id"],
        name=row["name"],
        prefix=row["prefix"],
        digest=row["digest"],
        scopes=frozenset(Scope(scope) for scope in row["scopes"].split()),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        replaced_by=row["replaced_by"],
    )
