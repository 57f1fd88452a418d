"""What comes in and what goes out."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class OrderIn(BaseModel):
    """An order to place."""

    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    amount_cents: Annotated[int, Field(ge=1, le=10_000_000)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    invoice_id: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    description: Annotated[str, Field(max_length=1000)] | None = None
    payment_method: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    capture_method: Literal["automatic", "manual"] = "automatic"
    metadata: dict[str, str] = Field(default_factory=dict)


class FailureOut(BaseModel):
    """Why an order failed."""

    code: str
    message: str


class OrderOut(BaseModel):
    """An order."""

    id: UUID
    status: str
    customer_id: str
    amount_cents: int
    currency: str
    invoice_id: str | None
    description: str | None
    payment_method: str | None
    capture_method: str
    metadata: dict[str, str]
    amount_captured_cents: int
    amount_refunded_cents: int
    failure: FailureOut | None
    version: int
    created_at: datetime
    updated_at: datetime
