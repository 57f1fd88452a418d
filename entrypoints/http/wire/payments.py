"""What becomes of an order's money."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from domain.order import MAX_ORDER_AMOUNT_MINOR
from entrypoints.http.wire.base import (
    INT64,
    OPEN,
    TEXT,
    Cents,
    CreatedAt,
    Currency,
    Id,
    In,
    OrderId,
    Out,
    UpdatedAt,
)
from entrypoints.http.wire.orders import FailureOut
from entrypoints.http.wire.pages import PageOut

Reason = Annotated[
    str,
    Field(
        max_length=500,
        pattern=TEXT,
        description="For people, up to 500 characters.",
        examples=["Returned goods"],
    ),
]
RefundStatus = TypeAliasType(
    "RefundStatus",
    Annotated[
        Literal["pending", "succeeded", "failed"],
        Field(
            description="`pending` until the gateway has answered.",
            examples=["succeeded"],
        ),
    ],
)
PaymentOperationKind = TypeAliasType(
    "PaymentOperationKind",
    Annotated[
        Literal["charge", "authorize", "capture", "void", "refund"],
        Field(
            description="What the payment gateway was asked to do. More may come.",
            examples=["charge"],
            json_schema_extra=OPEN,
        ),
    ],
)
PaymentOperationStatus = TypeAliasType(
    "PaymentOperationStatus",
    Annotated[
        Literal["pending", "unknown", "succeeded", "failed", "withdrawn"],
        Field(
            description="`unknown` means that the gateway was asked and has not said it yet;"
            " `withdrawn` that the order was canceled before it was asked.",
            examples=["succeeded"],
        ),
    ],
)
PaymentAttemptOutcome = TypeAliasType(
    "PaymentAttemptOutcome",
    Annotated[
        Literal["approved", "declined", "unknown"],
        Field(
            description="`unknown` is no end: it is asked again, and can never be done twice.",
            examples=["approved"],
        ),
    ],
)


class CaptureIn(In):
    """How much of an authorized order to take."""

    amount_cents: int | None = Field(
        None,
        ge=1,
        le=MAX_ORDER_AMOUNT_MINOR,
        description="Minor units of the order's currency; null means all.",
        examples=[1999],
        json_schema_extra=INT64,
    )


class CancelIn(In):
    """Nothing needs to be said."""


class RefundIn(In):
    """How much of a paid order to give back."""

    amount_cents: int | None = Field(
        None,
        ge=1,
        le=MAX_ORDER_AMOUNT_MINOR,
        description="Minor units of the order's currency; null means all that is left.",
        examples=[500],
        json_schema_extra=INT64,
    )
    reason: Reason | None = None


class RefundOut(Out):
    """A refund."""

    id: Id
    order_id: OrderId
    amount_cents: Cents
    status: RefundStatus
    reason: Reason | None
    created_at: CreatedAt


class RefundList(PageOut):
    """A page of refunds, newest first."""

    data: list[RefundOut]


class PaymentAttemptOut(Out):
    """One time that the payment gateway was asked."""

    number: int = Field(
        ge=1,
        description="Counts up; where one is missing, its worker died on the way.",
        examples=[1],
    )
    outcome: PaymentAttemptOutcome
    code: str | None = Field(
        description="Why it was declined, or is not known; `settled_by_operator` where the gateway"
        " did not say what became of it, and a person did. Null where it was approved.",
        examples=["card_declined"],
    )
    started_at: datetime = Field(
        description="When the gateway was asked, UTC.", examples=["2026-11-21T10:00:00.223456Z"]
    )
    ended_at: datetime = Field(
        description="When it had answered, or was waited for no longer, UTC.",
        examples=["2026-11-21T10:00:00.423456Z"],
    )


class PaymentOperationOut(Out):
    """One thing that the payment gateway was asked to do."""

    id: Annotated[Id, Field(description="UUIDv7. A refund's operation has the refund's id.")]
    order_id: OrderId
    kind: PaymentOperationKind
    amount_cents: Cents
    currency: Currency
    status: PaymentOperationStatus
    failure: FailureOut | None
    attempt_count: int = Field(ge=0, description="How often the gateway was asked.", examples=[1])
    attempts: list[PaymentAttemptOut] = Field(description="The latest 20, the oldest first.")
    created_at: CreatedAt
    updated_at: UpdatedAt


class PaymentOperationList(PageOut):
    """A page of payment operations, newest first."""

    data: list[PaymentOperationOut]
