"""POST /v1/orders with an Idempotency-Key, GET /v1/orders/{id} and GET /v1/orders?limit=."""

import hashlib
import os
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

import asyncpg
import orjson
from uuid_utils.compat import uuid7

from benchmarks.peers.raw.statements import FIND_ANSWER, GET, LIST, PLACE

MERCHANT: Final = UUID(os.environ["MERCHANT_ID"])
KEPT: Final = timedelta(days=30)
POOL_SIZE: Final = int(os.environ.get("POOL_SIZE", "16"))

pool: asyncpg.Pool


async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
        return
    method, path = scope["method"], scope["path"]
    if method == "POST" and path == "/v1/orders":
        answer = await place_order(scope["headers"], await read_body(receive))
    elif method == "GET" and path == "/v1/orders":
        answer = await list_orders(scope["query_string"])
    elif method == "GET" and path.startswith("/v1/orders/"):
        answer = await get_order(path.removeprefix("/v1/orders/"))
    else:
        answer = 404, b'{"error":"not found"}', None
    await respond(send, *answer)


async def run_lifespan(receive: Any, send: Any) -> None:
    """Open the pool at the start and close it at the end."""
    global pool  # noqa: PLW0603 - there is one for the process
    await receive()
    pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE
    )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})


async def read_body(receive: Any) -> bytes:
    """The whole body."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
    return body


async def respond(send: Any, status: int, body: bytes, location: str | None) -> None:
    """Send a JSON answer."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if location is not None:
        headers.append((b"location", location.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def place_order(
    headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, bytes, str | None]:
    """A new order, or the stored answer of the first request with this key."""
    key = next((value.decode() for name, value in headers if name == b"idempotency-key"), None)
    if not key:
        return 400, b'{"error":"Idempotency-Key is missing"}', None
    order = orjson.loads(body)
    if error := problem_of(order):
        return 422, orjson.dumps({"error": error}), None
    digest = hashlib.sha256(body).digest()
    now = datetime.now(UTC)
    order_id = uuid7()
    location = f"/v1/orders/{order_id}"
    answer = orjson.dumps(new_document(order_id, order, now))
    claimed = await pool.fetchval(
        PLACE,
        MERCHANT,
        key,
        digest,
        body.decode(),
        order_id,
        location,
        answer,
        now,
        now + KEPT,
        order["customer_id"],
        order["amount_cents"],
        order["currency"],
        order.get("invoice_id"),
        order.get("description"),
        order.get("payment_method"),
        order.get("capture_method", "automatic"),
        orjson.dumps(order.get("metadata", {})).decode(),
        uuid7(),
        uuid7(),
        answer.decode(),
    )
    if claimed:
        return 201, answer, location
    stored = await pool.fetchrow(FIND_ANSWER, MERCHANT, key)
    if stored["fingerprint"] != digest:
        return 422, b'{"error":"Idempotency-Key was used for another request"}', None
    return 200, stored["body"], stored["location"]


def problem_of(order: Any) -> str | None:
    """What is wrong with a request, or None."""
    if not isinstance(order, dict):
        return "an object is expected"
    if not isinstance(order.get("customer_id"), str) or not order["customer_id"]:
        return "customer_id is missing"
    if not isinstance(order.get("amount_cents"), int) or order["amount_cents"] < 1:
        return "amount_cents is not a positive integer"
    if not isinstance(order.get("currency"), str) or len(order["currency"]) != len("EUR"):
        return "currency is not an ISO 4217 code"
    return None


async def get_order(text: str) -> tuple[int, bytes, str | None]:
    """One order as it is now."""
    row = await pool.fetchrow(GET, UUID(text), MERCHANT)
    if row is None:
        return 404, b'{"error":"not found"}', None
    return 200, orjson.dumps(document(row), option=orjson.OPT_UTC_Z), None


async def list_orders(query: bytes) -> tuple[int, bytes, str | None]:
    """The newest orders."""
    limit = int(parse_qs(query.decode()).get("limit", ["25"])[0])
    rows = await pool.fetch(LIST, MERCHANT, limit + 1)
    shown = rows[:limit]
    following = None
    if len(rows) > limit:
        position = f"{shown[-1]['created_at'].timestamp()}:{shown[-1]['id']}"
        following = urlsafe_b64encode(position.encode()).decode()
    page = {
        "data": [document(row) for row in shown],
        "has_more": following is not None,
        "next_cursor": following,
    }
    return 200, orjson.dumps(page, option=orjson.OPT_UTC_Z), None


def new_document(order_id: UUID, order: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The answer to a new order."""
    moment = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "id": str(order_id),
        "status": "pending",
        "customer_id": order["customer_id"],
        "amount_cents": order["amount_cents"],
        "currency": order["currency"],
        "invoice_id": order.get("invoice_id"),
        "description": order.get("description"),
        "payment_method": order.get("payment_method"),
        "capture_method": order.get("capture_method", "automatic"),
        "metadata": order.get("metadata", {}),
        "amount_captured_cents": 0,
        "amount_refunded_cents": 0,
        "failure": None,
        "version": 1,
        "created_at": moment,
        "updated_at": moment,
    }


def document(row: Any) -> dict[str, Any]:
    """An order as it is in the database. orjson writes UUIDs and moments itself."""
    code = row["failure_code"]
    return {
        "id": str(row["id"]),
        "status": row["status"],
        "customer_id": row["customer_id"],
        "amount_cents": row["amount_minor"],
        "currency": row["currency"],
        "invoice_id": row["invoice_id"],
        "description": row["description"],
        "payment_method": row["payment_method"],
        "capture_method": row["capture_method"],
        "metadata": orjson.Fragment(row["metadata"]),
        "amount_captured_cents": row["captured_minor"],
        "amount_refunded_cents": row["refunded_minor"],
        "failure": code and {"code": code, "message": row["failure_message"]},
        "version": row["version"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }
