"""Orders."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from domain import order as domain
from domain.money import MINOR_UNIT_EXPONENTS, Money
from domain.order import MAX_ORDER_AMOUNT_MINOR, OrderRequest
from entrypoints.http.wire.base import (
    INT64,
    PRINTABLE,
    TEXT,
    Cents,
    CreatedAt,
    Currency,
    Id,
    In,
    MomentIn,
    Out,
    UpdatedAt,
)
from entrypoints.http.wire.pages import PageOut, PageQuery

MAX_METADATA: Final = 50

_CARD_LENGTHS: Final = range(12, 20)
_CAPTURE_METHODS: Final = {method.value: method for method in domain.CaptureMethod}


def _real_currency(code: str) -> str:
    if code not in MINOR_UNIT_EXPONENTS:
        raise PydanticCustomError(
            "currency_unknown", "Not an ISO 4217 code of a currency with minor units"
        )
    return code


def _no_card_number(value: object) -> object:
    if isinstance(value, str) and _looks_like_a_card(value):
        raise PydanticCustomError(
            "card_number_refused",
            "This looks like a card number: send a token of the payment gateway instead",
        )
    return value


def _looks_like_a_card(text: str) -> bool:
    """12 to 19 digits that pass the Luhn check (ISO/IEC 7812-1), however they are spaced."""
    digits = re.sub(r"[ \-./]", "", text)
    if not (digits.isascii() and digits.isdigit() and len(digits) in _CARD_LENGTHS):
        return False
    doubled = [int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # noqa: PLR2004


CustomerId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=PRINTABLE,
        description="Your own reference of the customer, 1 to 128 characters.",
        examples=["cus_42"],
    ),
]
InvoiceId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=PRINTABLE,
        description="Your own reference of the invoice, 1 to 128 characters.",
        examples=["INV-2026-0042"],
    ),
]
Description = Annotated[
    str,
    Field(
        max_length=1000,
        pattern=TEXT,
        description="For people, up to 1,000 characters.",
        examples=["Office chairs, second delivery"],
    ),
]
PaymentMethod = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[\u0021-\u007e]*$",
        description="A token of the payment gateway, never a card number.",
        examples=["sim_approve"],
    ),
]
Metadata = TypeAliasType(
    "Metadata",
    Annotated[
        dict[
            Annotated[str, Field(min_length=1, max_length=40, pattern=PRINTABLE)],
            Annotated[str, Field(max_length=500, pattern=TEXT)],
        ],
        Field(max_length=MAX_METADATA),
        # Pydantic describes keys by patterns of properties, of which generators make nothing.
        WithJsonSchema(
            {
                "type": "object",
                "maxProperties": MAX_METADATA,
                "propertyNames": {"minLength": 1, "maxLength": 40, "pattern": PRINTABLE},
                "additionalProperties": {"type": "string", "maxLength": 500, "pattern": TEXT},
                "description": "At most 50 pairs of your own; keys of 1 to 40 characters, values of"
                " up to 500.",
                "examples": [{"department": "procurement"}],
            }
        ),
    ],
)
OrderStatus = TypeAliasType(
    "OrderStatus",
    Annotated[
        Literal[
            "pending",
            "processing",
            "authorized",
            "paid",
            "failed",
            "canceled",
            "partially_refunded",
            "refunded",
        ],
        Field(
            description="`pending`: not begun. `processing`: the gateway is asked, and what it says"
            " is not known yet. `authorized`: the money is reserved, to be captured. `paid`,"
            " `failed`, `canceled`: as it says. `partially_refunded`, `refunded`: part of it went"
            " back, or all.",
            examples=["paid"],
        ),
    ],
)
CaptureMethod = TypeAliasType(
    "CaptureMethod",
    Annotated[
        Literal["automatic", "manual"],
        Field(
            description="`automatic` takes the money at once; `manual` only reserves it, to be"
            " captured later.",
            examples=["automatic"],
        ),
    ],
)


class OrderIn(In):
    """An order to place."""

    customer_id: CustomerId
    amount_cents: int = Field(
        ge=1,
        le=MAX_ORDER_AMOUNT_MINOR,
        description="The amount in minor units of the currency: 1999 is 19.99 EUR, or 1999 JPY.",
        examples=[1999],
        json_schema_extra=INT64,
    )
    currency: Annotated[Currency, AfterValidator(_real_currency)]
    invoice_id: InvoiceId | None = None
    description: Description | None = None
    payment_method: Annotated[PaymentMethod, BeforeValidator(_no_card_number)] | None = None
    capture_method: CaptureMethod = Field("automatic", description="`automatic` if left out.")
    metadata: Metadata = Field(default_factory=dict)

    def to_request(self) -> OrderRequest:
        return OrderRequest(
            customer_id=self.customer_id,
            amount=Money(amount_minor=self.amount_cents, currency=self.currency),
            invoice_id=self.invoice_id,
            description=self.description,
            payment_method=self.payment_method,
            capture_method=_CAPTURE_METHODS[self.capture_method],
            metadata=self.metadata,
        )


class FailureOut(Out):
    """Why it failed."""

    code: str = Field(
        description="Stable, for programs; more may come.", examples=["card_declined"]
    )
    message: str = Field(description="For people.", examples=["The card was declined."])


class OrderOut(Out):
    """An order."""

    id: Id
    status: OrderStatus
    customer_id: CustomerId
    amount_cents: Cents
    currency: Currency
    invoice_id: InvoiceId | None
    description: Description | None
    payment_method: PaymentMethod | None
    capture_method: CaptureMethod
    metadata: Metadata
    amount_captured_cents: Annotated[
        Cents, Field(description="Minor units of the currency that were taken.", examples=[1999])
    ]
    amount_refunded_cents: Annotated[
        Cents, Field(description="Minor units of the currency that went back.", examples=[0])
    ]
    failure: FailureOut | None
    version: int = Field(
        ge=1, description="1 for a new order; one more with each change.", examples=[3]
    )
    created_at: CreatedAt
    updated_at: UpdatedAt


class OrderList(PageOut):
    """A page of orders, newest first."""

    data: list[OrderOut]


class OrderQuery(PageQuery):
    """Which orders, and which page of them."""

    status: OrderStatus | None = Field(None, description="Only orders with this status.")
    customer_id: CustomerId | None = Field(None, description="Only orders of this customer.")
    invoice_id: InvoiceId | None = Field(None, description="Only orders of this invoice.")
    created_after: MomentIn | None = Field(
        None,
        description="Only orders made after this moment (exclusive), RFC 3339.",
        examples=["2026-11-01T00:00:00Z"],
    )
    created_before: MomentIn | None = Field(
        None,
        description="Only orders made before this moment (exclusive), RFC 3339.",
        examples=["2026-12-01T00:00:00Z"],
    )
