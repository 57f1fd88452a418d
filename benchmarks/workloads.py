"""What is asked of the contenders. Everyone gets the same bytes."""

import json
from collections.abc import Sequence
from typing import Final

from benchmarks.load import COUNTER_WIDTH, PLACEHOLDER, Request

ORDER: Final = json.dumps(
    {
        "customer_id": "cus_42",
        "amount_cents": 1999,
        "currency": "EUR",
        "invoice_id": "INV-2026-0042",
        "payment_method": "sim_approve",
        "metadata": {"department": "procurement"},
    }
)
"""The examples of Harbor's OpenAPI document."""

LIST_LIMIT: Final = 50
_LEAST_ORDER_BYTES: Final = 300
_ID_WIDTH: Final = 36


def create(api_key: str) -> Request:
    """A new order each time."""
    return Request(
        method="POST",
        path="/v1/orders",
        headers=_headers(api_key) | {"Idempotency-Key": PLACEHOLDER * COUNTER_WIDTH},
        body=ORDER,
        status=201,
        least_bytes=_LEAST_ORDER_BYTES,
    )


def place_each(api_key: str, keys: Sequence[str]) -> Request:
    """A new order for each of `keys`."""
    return Request(
        method="POST",
        path="/v1/orders",
        headers=_headers(api_key) | {"Idempotency-Key": PLACEHOLDER * len(keys[0])},
        body=ORDER,
        status=201,
        least_bytes=_LEAST_ORDER_BYTES,
        values=keys,
    )


def replay(api_key: str, keys: Sequence[str]) -> Request:
    """The repeat of an order that was placed, of a different one each time."""
    return Request(
        method="POST",
        path="/v1/orders",
        headers=_headers(api_key) | {"Idempotency-Key": PLACEHOLDER * len(keys[0])},
        body=ORDER,
        status=200,
        least_bytes=_LEAST_ORDER_BYTES,
        values=keys,
    )


def get(api_key: str, ids: Sequence[str]) -> Request:
    """An order by its id, a different one each time."""
    return Request(
        method="GET",
        path=f"/v1/orders/{PLACEHOLDER * _ID_WIDTH}",
        headers=_headers(api_key),
        status=200,
        least_bytes=_LEAST_ORDER_BYTES,
        values=ids,
    )


def list_newest(api_key: str) -> Request:
    """The newest 50 orders."""
    return Request(
        method="GET",
        path=f"/v1/orders?limit={LIST_LIMIT}",
        headers=_headers(api_key),
        status=200,
        least_bytes=LIST_LIMIT * _LEAST_ORDER_BYTES,
    )


def _headers(api_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}"}
