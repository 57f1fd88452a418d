"""What a partner does with Harbor, with the client that was generated for Python."""

import os
from collections.abc import Iterator
from http import HTTPStatus
from time import time
from typing import assert_type
from uuid import UUID, uuid4

import httpx
from harbor_payments_client import AuthenticatedClient
from harbor_payments_client.api.events import list_events
from harbor_payments_client.api.orders import get_order, list_orders, place_order
from harbor_payments_client.api.payments import capture_order, refund_order
from harbor_payments_client.api.webhooks import create_webhook_endpoint
from harbor_payments_client.models import (
    CaptureMethod,
    CaptureRequest,
    EventList,
    EventType,
    Metadata,
    Order,
    OrderList,
    OrderRequest,
    OrderStatus,
    Problem,
    ProblemCode,
    Refund,
    RefundRequest,
    WebhookEndpointRequest,
    WebhookEndpointWithSecret,
)
from harbor_payments_client.types import UNSET, Response, Unset
from place import place
from receiver import Receiver, receiving

TOLD_OF = [EventType.ORDER_AUTHORIZED, EventType.ORDER_PAID, EventType.ORDER_REFUNDED]


def step(name: str) -> None:
    print(f"step: {name}", flush=True)


def a_key() -> str:
    return str(uuid4())


def place_once(
    client: AuthenticatedClient, request: OrderRequest, key: str
) -> tuple[Order, Response[Order | Problem]]:
    response = place_order.sync_detailed(client=client, body=request, idempotency_key=key)
    assert isinstance(response.parsed, Order), response
    return response.parsed, response


def register(client: AuthenticatedClient, receiver: Receiver) -> None:
    endpoint = create_webhook_endpoint.sync(
        client=client,
        body=WebhookEndpointRequest(url=receiver.url, event_types=TOLD_OF),
        idempotency_key=a_key(),
    )
    assert isinstance(endpoint, WebhookEndpointWithSecret), endpoint
    receiver.secret = endpoint.secret
    step("register a webhook endpoint")


def place_twice(client: AuthenticatedClient) -> UUID:
    metadata = Metadata()
    metadata["department"] = "procurement"
    request = OrderRequest(
        customer_id="cus/42",
        amount_cents=1999,
        currency="EUR",
        capture_method=CaptureMethod.MANUAL,
        metadata=metadata,
    )
    key = a_key()
    order, first = place_once(client, request, key)
    assert first.status_code is HTTPStatus.CREATED
    assert assert_type(order.metadata["department"], str) == "procurement"
    assert order.failure is None
    step("place an order")
    same, again = place_once(client, request, key)
    assert again.status_code is HTTPStatus.OK
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (same, again.content) == (order, first.content)
    step("retry it: the same order")
    return order.id


def be_refused(client: AuthenticatedClient) -> None:
    request = OrderRequest(customer_id="cus/42", amount_cents=0, currency="EUR")
    problem = place_order.sync(client=client, body=request, idempotency_key=a_key())
    assert isinstance(problem, Problem), problem
    assert assert_type(problem.code, ProblemCode) is ProblemCode.VALIDATION_FAILED
    assert problem.status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert not isinstance(problem.errors, Unset)
    assert [each.pointer for each in problem.errors] == ["/amount_cents"]
    step("handle a 422")


def told(receiver: Receiver, event: EventType, order_id: UUID) -> Order:
    webhook = receiver.next()
    assert assert_type(webhook.type_, EventType) is event
    assert webhook.data.order.id == order_id
    step(f"be told of {event}")
    return webhook.data.order


def refund_too_early(client: AuthenticatedClient, order_id: UUID) -> None:
    problem = refund_order.sync(
        order_id, client=client, body=RefundRequest(), idempotency_key=a_key()
    )
    assert isinstance(problem, Problem), problem
    assert problem.code is ProblemCode.ORDER_IS_AUTHORIZED
    assert problem.status == HTTPStatus.CONFLICT
    step("handle a 409")


def capture_and_refund(client: AuthenticatedClient, receiver: Receiver, order: Order) -> None:
    captured = capture_order.sync_detailed(
        order.id,
        client=client,
        body=CaptureRequest(),
        idempotency_key=a_key(),
        if_match=f'"{order.version}"',
    )
    assert captured.status_code is HTTPStatus.ACCEPTED, captured
    step("capture it")
    assert told(receiver, EventType.ORDER_PAID, order.id).amount_captured_cents == 1999
    refund = refund_order.sync(
        order.id,
        client=client,
        body=RefundRequest(amount_cents=500, reason="one item was broken"),
        idempotency_key=a_key(),
    )
    assert isinstance(refund, Refund), refund
    assert refund.amount_cents == 500
    step("refund a part")
    assert told(receiver, EventType.ORDER_REFUNDED, order.id).amount_refunded_cents == 500


def fetch(client: AuthenticatedClient, order_id: UUID) -> None:
    response = get_order.sync_detailed(order_id, client=client)
    assert isinstance(response.parsed, Order), response
    assert response.parsed.status is OrderStatus.PARTIALLY_REFUNDED
    same = get_order.sync_detailed(order_id, client=client, if_none_match=response.headers["ETag"])
    assert same.status_code is HTTPStatus.NOT_MODIFIED
    step("fetch it")


def read_events(client: AuthenticatedClient) -> None:
    found = list_events.sync(client=client, type_=[EventType.ORDER_PAID, EventType.ORDER_REFUNDED])
    assert isinstance(found, EventList), found
    types = [event.type_ for event in found.data]
    assert types == [EventType.ORDER_PAID, EventType.ORDER_REFUNDED]
    step("read two types of events")


def pages(client: AuthenticatedClient) -> Iterator[list[Order]]:
    cursor: str | Unset | None = UNSET
    while cursor is not None:
        page = list_orders.sync(client=client, limit=2, cursor=cursor)
        assert isinstance(page, OrderList), page
        yield page.data
        cursor = page.next_cursor


def place_though_it_is_lost(client: AuthenticatedClient, losing: AuthenticatedClient) -> None:
    key = a_key()
    request = OrderRequest(customer_id="cus/43", amount_cents=100, currency="JPY")
    placed = place(losing, key, request)
    assert place_once(client, request, key)[0] == placed
    step("place an order whose answer is lost")


def list_all(client: AuthenticatedClient) -> None:
    for count in range(1, 4):
        request = OrderRequest(customer_id="cus/43", amount_cents=100 + count, currency="JPY")
        assert place(client, a_key(), request).amount_cents == request.amount_cents
    assert [len(page) for page in pages(client)] == [2, 2, 1]
    step("page through all orders")


def refuse_forgery(receiver: Receiver) -> None:
    headers = {
        "webhook-id": "forged",
        "webhook-timestamp": str(int(time())),
        "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    }
    assert httpx.post(receiver.url, content=b"{}", headers=headers).status_code == 400
    step("refuse a forged webhook")


def travel(client: AuthenticatedClient, losing: AuthenticatedClient, receiver: Receiver) -> None:
    register(client, receiver)
    order_id = place_twice(client)
    be_refused(client)
    authorized = told(receiver, EventType.ORDER_AUTHORIZED, order_id)
    refund_too_early(client, order_id)
    capture_and_refund(client, receiver, authorized)
    fetch(client, order_id)
    read_events(client)
    place_though_it_is_lost(client, losing)
    list_all(client)
    refuse_forgery(receiver)


if __name__ == "__main__":
    api_key = os.environ["HARBOR_API_KEY"]
    with (
        AuthenticatedClient(base_url=os.environ["HARBOR_URL"], token=api_key) as sure,
        AuthenticatedClient(base_url=os.environ["HARBOR_LOSING_URL"], token=api_key) as unsure,
        receiving() as listening,
    ):
        travel(sure, unsure, listening)
