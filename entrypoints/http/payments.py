"""The routes of what becomes of an order's money."""

import json
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from application.cancel_order import CancelOrderCommand
from application.capture_order import CaptureOrderCommand
from application.change_order import WhichOrder
from application.errors import OrderNotFound, RefundNotFound
from application.once import Answer
from application.operation_document import operation_json
from application.ports.payment_history import TriedOperation
from application.refund_document import refund_json
from application.refund_order import RefundOrderCommand
from domain.order import OrderStatus
from domain.payment import OperationKind
from entrypoints.http.answers import JsonResponse, Listing, once_response
from entrypoints.http.dependencies import (
    ContainerOf,
    IdempotencyKey,
    OrdersReader,
    OrdersWriter,
    claim_of,
    headers_named,
)
from entrypoints.http.documented import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    KEYED,
    ONCE,
    ORDER_LINKS,
    REFUND_LINKS,
    accepted,
    answered,
    created,
    done_or_accepted,
    listed,
    problems,
)
from entrypoints.http.etag import etag_header, expected_versions
from entrypoints.http.json_body import StrictJsonRequest, StrictJsonRoute
from entrypoints.http.paths import canonical_uuid
from entrypoints.http.wire.orders import OrderOut
from entrypoints.http.wire.pages import PageQuery
from entrypoints.http.wire.paths import OrderPath, RefundPath
from entrypoints.http.wire.payments import (
    CancelIn,
    CaptureIn,
    PaymentOperationList,
    RefundIn,
    RefundList,
    RefundOut,
)

_CHANGED: Final = ("order_not_found", "version_mismatch")


def _unless(*allowed: OrderStatus) -> tuple[str, ...]:
    """The codes of a verb that needs one of these statuses."""
    return tuple(f"order_is_{status}" for status in OrderStatus if status not in allowed)


_HEADERS: Final = {"parameters": [*IDEMPOTENCY_KEY["parameters"], IF_MATCH]}

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Payments"])


@router.post(
    "/orders/{order_id}/capture",
    status_code=202,
    response_model=None,
    responses=accepted(OrderOut, ORDER_LINKS, versioned=True)
    | problems(
        *KEYED, *ONCE, *_CHANGED, "capture_amount_invalid", *_unless(OrderStatus.AUTHORIZED)
    ),
    openapi_extra=_HEADERS,
)
async def capture_order(
    request: StrictJsonRequest,
    order_id: OrderPath,
    caller: OrdersWriter,
    key: IdempotencyKey,
    container: ContainerOf,
    capture: CaptureIn | None = None,
) -> Response:
    """Take the money that an authorized order holds: all, or `amount_cents` of it, and the rest is
    released. There is one capture per order. It is `processing` until the gateway has answered."""
    command = CaptureOrderCommand(
        claim=claim_of(request, caller, key),
        which=_which(request, order_id),
        amount_minor=(capture or CaptureIn()).amount_cents,
    )
    return _order_response(await container.capture_order()(command))


@router.post(
    "/orders/{order_id}/cancel",
    status_code=202,
    response_model=None,
    responses=done_or_accepted(OrderOut, ORDER_LINKS, versioned=True)
    | problems(*KEYED, *ONCE, *_CHANGED, *_unless(OrderStatus.PENDING, OrderStatus.AUTHORIZED)),
    openapi_extra=_HEADERS,
)
async def cancel_order(
    request: StrictJsonRequest,
    order_id: OrderPath,
    caller: OrdersWriter,
    key: IdempotencyKey,
    container: ContainerOf,
    _nothing: CancelIn | None = None,
) -> Response:
    """Cancel an order that nothing was taken for. A pending one is canceled at once; for an
    authorized one the gateway lets go of the money first, and until then it is `processing`."""
    command = CancelOrderCommand(
        claim=claim_of(request, caller, key), which=_which(request, order_id)
    )
    return _order_response(await container.cancel_order()(command))


@router.post(
    "/orders/{order_id}/refunds",
    status_code=201,
    response_model=None,
    responses=created(RefundOut, REFUND_LINKS)
    | problems(
        *KEYED,
        *ONCE,
        *_CHANGED,
        "refund_amount_invalid",
        *_unless(OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED),
    ),
    openapi_extra=_HEADERS,
)
async def refund_order(
    request: StrictJsonRequest,
    order_id: OrderPath,
    caller: OrdersWriter,
    key: IdempotencyKey,
    container: ContainerOf,
    refund: RefundIn | None = None,
) -> Response:
    """Give money back: all that is left, or `amount_cents` of it, as often as there is some left.
    The amount is reserved at once; the refund is `pending` until the gateway has answered."""
    refund = refund or RefundIn()
    command = RefundOrderCommand(
        claim=claim_of(request, caller, key),
        which=_which(request, order_id),
        amount_minor=refund.amount_cents,
        reason=refund.reason,
    )
    return once_response(await container.refund_order()(command))


@router.get(
    "/orders/{order_id}/refunds",
    response_model=None,
    responses=listed(RefundList)
    | problems(*KEYED, "order_not_found", "invalid_cursor", "validation_failed"),
)
async def list_refunds(
    request: Request,
    order_id: OrderPath,
    caller: OrdersReader,
    query: Annotated[PageQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List an order's refunds, newest first."""
    wanted = canonical_uuid(order_id)
    if wanted is None:
        raise OrderNotFound
    listing = Listing(request, caller.merchant_id, query)
    page = await container.list_operations()(
        caller.merchant_id,
        wanted,
        kind=OperationKind.REFUND,
        after=listing.after(),
        limit=query.limit,
    )
    return listing.response(page, lambda refund: refund_json(refund.operation))


@router.get(
    "/refunds/{refund_id}",
    response_model=None,
    responses=answered(RefundOut, "The refund.") | problems(*KEYED, "refund_not_found"),
)
async def get_refund(
    refund_id: RefundPath, caller: OrdersReader, container: ContainerOf
) -> Response:
    """Fetch a refund as it is now."""
    wanted = canonical_uuid(refund_id)
    if wanted is None:
        raise RefundNotFound
    refund = await container.get_refund()(caller.merchant_id, wanted)
    return JsonResponse(refund_json(refund).encode(), 200, ())


@router.get(
    "/orders/{order_id}/operations",
    response_model=None,
    responses=listed(PaymentOperationList)
    | problems(*KEYED, "order_not_found", "invalid_cursor", "validation_failed"),
)
async def list_operations(
    request: Request,
    order_id: OrderPath,
    caller: OrdersReader,
    query: Annotated[PageQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List what the payment gateway was asked for an order, newest first, with each attempt and
    what came of it."""
    wanted = canonical_uuid(order_id)
    if wanted is None:
        raise OrderNotFound
    listing = Listing(request, caller.merchant_id, query)
    page = await container.list_operations()(
        caller.merchant_id, wanted, after=listing.after(), limit=query.limit
    )
    return listing.response(page, _operation)


def _order_response(answer: Answer) -> Response:
    """With the ETag of the order that it shows."""
    return once_response(answer, etag_header(json.loads(answer.body)["version"]))


def _operation(tried: TriedOperation) -> str:
    return operation_json(tried.operation, tried.attempts)


def _which(request: Request, order_id: str) -> WhichOrder:
    wanted = canonical_uuid(order_id)
    if wanted is None:
        raise OrderNotFound
    return WhichOrder(id=wanted, versions=expected_versions(headers_named(request, b"if-match")))
