"""POST /v1/orders with an Idempotency-Key."""

import hashlib
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from redis.asyncio import Redis
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from uuid_utils.compat import uuid7

from benchmarks.peers.tutorial.models import IdempotencyKey, Order, OrderEvent, PaymentOperation
from benchmarks.peers.tutorial.schemas import FailureOut, OrderIn, OrderOut

MERCHANT = UUID(os.environ["MERCHANT_ID"])
KEPT = timedelta(days=30)

app = FastAPI()
engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=16, max_overflow=0)
new_session = async_sessionmaker(engine, expire_on_commit=False)
redis = Redis.from_url(os.environ["REDIS_URL"])


async def get_session() -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with new_session() as session:
        yield session


async def get_redis() -> Redis:
    """The process's Redis client."""
    return redis


@app.post("/v1/orders", status_code=201, response_model=OrderOut)
async def create_order(
    request: Request,
    order_in: OrderIn,
    idempotency_key: Annotated[str, Header(min_length=1, max_length=255)],
    session: Annotated[AsyncSession, Depends(get_session)],
    cache: Annotated[Redis, Depends(get_redis)],
) -> Response:
    """Place an order once."""
    body = await request.body()
    digest = hashlib.sha256(body).digest()
    cache_key = f"idempotency:{MERCHANT}:{idempotency_key}"
    cached = await cache.get(cache_key)
    if isinstance(cached, bytes):
        return replay(cached[:32], digest, cached[32:])

    now = datetime.now(UTC)
    order = new_order(order_in, idempotency_key, now)
    answer = to_out(order).model_dump_json().encode()
    session.add(order)
    session.add(new_operation(order, now))
    session.add(new_event(order, answer, now))
    session.add(new_answer(order, body, digest, answer, now))
    try:
        await session.commit()
    except IntegrityError:
        await session.rollback()
        stored = await session.get_one(IdempotencyKey, (MERCHANT, idempotency_key))
        return replay(stored.fingerprint, digest, stored.body or b"")
    await session.refresh(order)
    await cache.set(cache_key, digest + answer, ex=86_400)
    return Response(answer, status_code=201, media_type="application/json")


def replay(fingerprint: bytes, digest: bytes, answer: bytes) -> Response:
    """The first answer again, if the request is the same."""
    if fingerprint != digest:
        raise HTTPException(422, "This Idempotency-Key was used for another request")
    return Response(answer, status_code=200, media_type="application/json")


def new_order(order_in: OrderIn, key: str, now: datetime) -> Order:
    """The order that a request asks for."""
    return Order(
        id=uuid7(),
        merchant_id=MERCHANT,
        idempotency_key=key,
        customer_id=order_in.customer_id,
        amount_minor=order_in.amount_cents,
        currency=order_in.currency,
        invoice_id=order_in.invoice_id,
        description=order_in.description,
        payment_method=order_in.payment_method,
        capture_method=order_in.capture_method,
        metadata_=json.dumps(order_in.metadata),
        status="pending",
        captured_minor=0,
        refunded_minor=0,
        version=1,
        created_at=now,
        updated_at=now,
    )


def new_operation(order: Order, now: datetime) -> PaymentOperation:
    """What the gateway has to do for the order."""
    return PaymentOperation(
        id=uuid7(),
        merchant_id=MERCHANT,
        order_id=order.id,
        kind="charge",
        amount_minor=order.amount_minor,
        currency=order.currency,
        payment_method=order.payment_method,
        due_at=now,
        created_at=now,
        updated_at=now,
    )


def new_event(order: Order, document: bytes, now: datetime) -> OrderEvent:
    """The event that tells of the order."""
    return OrderEvent(
        id=uuid7(),
        merchant_id=MERCHANT,
        order_id=order.id,
        type="order.created",
        occurred_at=now,
        data=document.decode(),
    )


def new_answer(
    order: Order, body: bytes, digest: bytes, answer: bytes, now: datetime
) -> IdempotencyKey:
    """What a repeat will get."""
    return IdempotencyKey(
        merchant_id=MERCHANT,
        key=order.idempotency_key,
        route="POST /v1/orders",
        fingerprint_version=1,
        fingerprint=digest,
        members=body.decode(),
        resource_type="order",
        resource_id=order.id,
        status=201,
        location=f"/v1/orders/{order.id}",
        body=answer,
        created_at=now,
        expires_at=now + KEPT,
    )


def to_out(order: Order) -> OrderOut:
    """The order as the API shows it."""
    failure = None
    if order.failure_code is not None:
        failure = FailureOut(code=order.failure_code, message=order.failure_message or "")
    return OrderOut(
        id=order.id,
        status=order.status,
        customer_id=order.customer_id,
        amount_cents=order.amount_minor,
        currency=order.currency,
        invoice_id=order.invoice_id,
        description=order.description,
        payment_method=order.payment_method,
        capture_method=order.capture_method,
        metadata=json.loads(order.metadata_),
        amount_captured_cents=order.captured_minor,
        amount_refunded_cents=order.refunded_minor,
        failure=failure,
        version=order.version,
        created_at=order.created_at,
        updated_at=order.updated_at,
    )
