"""The routes of orders."""

from operator import attrgetter
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from application.errors import OrderNotFound
from application.order_document import order_json
from application.place_order import PlaceOrderCommand
from application.ports.orders import OrderFilter
from domain.order import OrderStatus
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
    IF_NONE_MATCH,
    KEYED,
    ONCE,
    ORDER_LINKS,
    created,
    fetched,
    listed,
    problems,
)
from entrypoints.http.etag import etag_header, etag_of, is_known
from entrypoints.http.json_body import StrictJsonRequest, StrictJsonRoute
from entrypoints.http.paths import canonical_uuid
from entrypoints.http.wire.orders import CustomerId, OrderIn, OrderList, OrderOut, OrderQuery
from entrypoints.http.wire.pages import PageQuery
from entrypoints.http.wire.paths import OrderPath

_FIRST_VERSION: Final = etag_header(1)
_FRESH_COPY: Final = "private, no-cache"

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Orders"])


@router.post(
    "/orders",
    status_code=201,
    response_model=None,
    responses=created(OrderOut, ORDER_LINKS, versioned=True)
    | problems(*KEYED, *ONCE, "payment_method_unknown"),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def place_order(
    request: StrictJsonRequest,
    caller: OrdersWriter,
    key: IdempotencyKey,
    order: OrderIn,
    container: ContainerOf,
) -> Response:
    """Place an order. Retry it with the same Idempotency-Key as often as you like: there will be
    one order and one charge, and every answer has the same bytes."""
    claim = claim_of(request, caller, key)
    command = PlaceOrderCommand(claim=claim, request=order.to_request())
    return once_response(await container.place_order()(command), _FIRST_VERSION)


@router.get(
    "/orders/{order_id}",
    response_model=None,
    responses=fetched(OrderOut, "The order.", ORDER_LINKS) | problems(*KEYED, "order_not_found"),
    openapi_extra=IF_NONE_MATCH,
)
async def get_order(
    request: Request, order_id: OrderPath, caller: OrdersReader, container: ContainerOf
) -> Response:
    """Fetch an order as it is now. Send the ETag back as If-None-Match to get 304 while nothing
    has changed."""
    wanted = canonical_uuid(order_id)
    if wanted is None:
        raise OrderNotFound
    order = await container.get_order()(caller.merchant_id, wanted)
    if is_known(headers_named(request, b"if-none-match"), order.version):
        return Response(
            status_code=304, headers={"ETag": etag_of(order.version), "Cache-Control": _FRESH_COPY}
        )
    headers = (etag_header(order.version), (b"cache-control", _FRESH_COPY.encode()))
    return JsonResponse(order_json(order).encode(), 200, headers)


@router.get(
    "/orders",
    response_model=None,
    responses=listed(OrderList) | problems(*KEYED, "invalid_cursor", "validation_failed"),
)
async def list_orders(
    request: Request,
    caller: OrdersReader,
    query: Annotated[OrderQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List your orders, newest first."""
    return await _list(request, container, query, _filter(caller.merchant_id, query))


@router.get(
    "/customers/{customer_id:path}/orders",
    response_model=None,
    responses=listed(OrderList) | problems(*KEYED, "invalid_cursor", "validation_failed"),
)
async def list_customer_orders(
    request: Request,
    customer_id: CustomerId,
    caller: OrdersReader,
    query: Annotated[PageQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List a customer's orders, newest first. Percent-encode the customer's id."""
    which = OrderFilter(merchant_id=caller.merchant_id, customer_id=customer_id)
    return await _list(request, container, query, which)


async def _list(
    request: Request, container: ContainerOf, query: PageQuery, which: OrderFilter
) -> Response:
    listing = Listing(request, which.merchant_id, query)
    page = await container.list_orders()(which, after=listing.after(), limit=query.limit)
    return listing.response(page, attrgetter("json"))


def _filter(merchant_id: UUID, query: OrderQuery) -> OrderFilter:
    return OrderFilter(
        merchant_id=merchant_id,
        status=None if query.status is None else OrderStatus(query.status),
        customer_id=query.customer_id,
        invoice_id=query.invoice_id,
        created_after=query.created_after,
        created_before=query.created_before,
    )
