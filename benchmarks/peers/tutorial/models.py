"""Harbor's tables as ORM classes."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, LargeBinary, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables share."""

    type_annotation_map: ClassVar = {
        datetime: DateTime(timezone=True),
        str: Text,
        bytes: LargeBinary,
    }


class IdempotencyKey(Base):
    """A request that was answered, with its answer."""

    __tablename__ = "idempotency_keys"

    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    fingerprint_version: Mapped[int]
    fingerprint: Mapped[bytes]
    members: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[UUID]
    status: Mapped[int]
    location: Mapped[str]
    body: Mapped[bytes | None]
    sealed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Order(Base):
    """An order."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    idempotency_key: Mapped[str]
    customer_id: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    invoice_id: Mapped[str | None]
    description: Mapped[str | None]
    payment_method: Mapped[str | None]
    capture_method: Mapped[str]
    # `metadata` is a name that SQLAlchemy keeps for itself.
    metadata_: Mapped[str] = mapped_column("metadata")
    status: Mapped[str] = mapped_column(default="pending")
    captured_minor: Mapped[int] = mapped_column(default=0)
    refunded_minor: Mapped[int] = mapped_column(default=0)
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    risk_score: Mapped[int] = mapped_column(default=5)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PaymentOperation(Base):
    """What the payment gateway will be asked to do."""

    __tablename__ = "payment_operations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[str]
    amount_minor: Mapped[int]
    currency: Mapped[str]
    payment_method: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="pending")
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    first_sent_at: Mapped[datetime | None]
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OrderEvent(Base):
    """What has happened to an order."""

    __tablename__ = "events"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("orders.id"))
    order_version: Mapped[int] = mapped_column(default=1)
    type: Mapped[str]
    occurred_at: Mapped[datetime]
    data: Mapped[str]
