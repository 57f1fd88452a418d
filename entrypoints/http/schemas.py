"""The wire: what comes in and what goes out, as the OpenAPI document shows it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from application.new_api_key import ApiKeyRequest
from domain.merchant import MAX_NAME_LENGTH, Scope
from domain.money import MINOR_UNIT_EXPONENTS, Money
from domain.order import MAX_ORDER_AMOUNT_MINOR, CaptureMethod, OrderRequest

MAX_METADATA: Final = 50
MAX_OVERLAP_SECONDS: Final = 7 * 86_400

_PRINTABLE: Final = r"^[^\u0000-\u001f\u007f]*$"
TEXT: Final = r"^[^\u0000]*$"
_CARD_LENGTHS: Final = range(12, 20)
_CAPTURE_METHODS: Final = {method.value: method for method in CaptureMethod}
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


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


def _from_rfc3339(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _RFC3339.fullmatch(value):
        raise PydanticCustomError(
            "date_time_invalid",
            "Not an RFC 3339 date-time with an offset, such as 2026-11-21T10:00:00Z (a + is"
            " written %2B in a query)",
        )
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("date_time_invalid", "There is no such moment") from None


def from_digits(value: object) -> object:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,3}", value):
            raise PydanticCustomError("integer_invalid", "Not a whole number from 1 to 100")
        return int(value)
    return value


MomentIn = Annotated[datetime, BeforeValidator(_from_rfc3339)]
CustomerId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=_PRINTABLE,
        description="Your own reference of the customer, 1 to 128 characters.",
        examples=["cus_42"],
    ),
]
InvoiceId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=_PRINTABLE,
        description="Your own reference of the invoice.",
        examples=["INV-2026-0042"],
    ),
]
StatusName = Literal[
    "pending",
    "processing",
    "authorized",
    "paid",
    "failed",
    "canceled",
    "partially_refunded",
    "refunded",
]
ScopeName = Literal["orders:read", "orders:write", "webhooks:manage", "events:read", "keys:manage"]


class In(BaseModel):
    """A request body: exact types, no unknown members, nothing repeated in an error."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Out(BaseModel):
    """A response body: every member is always present."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class OrderIn(In):
    """An order to place."""

    customer_id: CustomerId
    amount_cents: int = Field(
        ge=1,
        le=MAX_ORDER_AMOUNT_MINOR,
        description="The amount in minor units of the currency: 1999 is 19.99 EUR, or 1999 JPY.",
        examples=[1999],
    )
    currency: Annotated[str, AfterValidator(_real_currency)] = Field(
        pattern="^[A-Z]{3}$", description="ISO 4217 code.", examples=["EUR"]
    )
    invoice_id: InvoiceId | None = None
    description: (
        Annotated[str, Field(max_length=1000, pattern=TEXT, description="For people.")] | None
    ) = None
    payment_method: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=255,
                pattern=r"^[\u0021-\u007e]*$",
                description="A token of the payment gateway, never a card number.",
                examples=["sim_approve"],
            ),
            BeforeValidator(_no_card_number),
        ]
        | None
    ) = None
    capture_method: Literal["automatic", "manual"] = Field(
        "automatic",
        description="`manual` only reserves the money, to be captured later.",
    )
    metadata: dict[
        Annotated[str, Field(min_length=1, max_length=40, pattern=_PRINTABLE)],
        Annotated[str, Field(max_length=500, pattern=TEXT)],
    ] = Field(
        default_factory=dict,
        max_length=MAX_METADATA,
        description="At most 50 pairs of your own; keys of 1 to 40 characters, values up to 500.",
        examples=[{"department": "procurement"}],
    )

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
    """Why an order failed."""

    code: str = Field(description="Stable.", examples=["card_declined"])
    message: str = Field(description="For people.")


class OrderOut(Out):
    """An order."""

    id: UUID = Field(description="UUIDv7.")
    status: StatusName
    customer_id: str
    amount_cents: int = Field(description="Minor units of the currency.")
    currency: str = Field(description="ISO 4217 code.")
    invoice_id: str | None
    description: str | None
    payment_method: str | None
    capture_method: Literal["automatic", "manual"]
    metadata: dict[str, str]
    amount_captured_cents: int = Field(description="Minor units that were taken.")
    amount_refunded_cents: int = Field(description="Minor units that went back.")
    failure: FailureOut | None
    version: int = Field(description="1 for a new order; one more with each change.")
    created_at: datetime
    updated_at: datetime


class OrderList(Out):
    """A page of orders, newest first."""

    data: list[OrderOut]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on.")


class CaptureIn(In):
    """How much of an authorized order to take."""

    amount_cents: int | None = Field(
        None,
        ge=1,
        le=MAX_ORDER_AMOUNT_MINOR,
        description="Minor units of the order's currency; null means all.",
        examples=[1999],
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
    )
    reason: (
        Annotated[
            str,
            Field(
                max_length=500,
                pattern=TEXT,
                description="For people.",
                examples=["Returned goods"],
            ),
        ]
        | None
    ) = None


class RefundOut(Out):
    """A refund."""

    id: UUID = Field(description="UUIDv7.")
    order_id: UUID
    amount_cents: int = Field(description="Minor units of the order's currency.")
    status: Literal["pending", "succeeded", "failed"]
    reason: str | None
    created_at: datetime


class RefundList(Out):
    """A page of refunds, newest first."""

    data: list[RefundOut]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on.")


class AttemptOut(Out):
    """One time that the payment gateway was asked."""

    number: int = Field(description="Counts up; where one is missing, its worker died on the way.")
    outcome: Literal["approved", "declined", "unknown"] = Field(
        description="`unknown` is no end: it is asked again, and can never be done twice."
    )
    code: str | None = Field(
        description="Why it was declined, or is not known; `settled_by_operator` where the gateway"
        " did not say what became of it, and a person did."
    )
    started_at: datetime
    ended_at: datetime


class OperationOut(Out):
    """One thing that the payment gateway was asked to do."""

    id: UUID = Field(description="UUIDv7. A refund's operation has the refund's id.")
    order_id: UUID
    kind: Literal["charge", "authorize", "capture", "void", "refund"]
    amount_cents: int = Field(description="Minor units of the currency.")
    currency: str = Field(description="ISO 4217 code.")
    status: Literal["pending", "unknown", "succeeded", "failed", "withdrawn"] = Field(
        description="`unknown` means that the gateway was asked and has not said it yet;"
        " `withdrawn` that the order was canceled before it was asked."
    )
    failure: FailureOut | None
    attempt_count: int = Field(description="How often the gateway was asked.")
    attempts: list[AttemptOut] = Field(description="The latest 20, the oldest first.")
    created_at: datetime
    updated_at: datetime


class OperationList(Out):
    """A page of payment operations, newest first."""

    data: list[OperationOut]
    has_more: bool
    next_cursor: str | None = Field(description="Pass it as `cursor` to go on.")


class PageQuery(In):
    """Which page of a list."""

    model_config = ConfigDict(strict=False)

    limit: Annotated[int, BeforeValidator(from_digits)] = Field(
        25, ge=1, le=100, description="How many at the most."
    )
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")


class OrderQuery(PageQuery):
    """Which orders, and which page of them."""

    status: StatusName | None = None
    customer_id: CustomerId | None = None
    invoice_id: InvoiceId | None = None
    created_after: MomentIn | None = Field(None, description="Exclusive, RFC 3339.")
    created_before: MomentIn | None = Field(None, description="Exclusive, RFC 3339.")


class IdempotencyKeyOut(Out):
    """What became of an idempotency key."""

    key: str
    state: Literal["never_seen", "in_progress", "completed", "expired"]
    route: str | None = Field(description="Method and path it was used on.")
    resource_id: UUID | None = Field(description="What it made.")
    order: OrderOut | None = Field(description="The order it made, as it is now.")
    created_at: datetime | None
    expires_at: datetime | None = Field(description="Until when the first answer is replayed.")


class ApiKeyIn(In):
    """An API key to issue."""

    name: (
        Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=_PRINTABLE)] | None
    ) = None
    scopes: list[ScopeName] = Field(
        min_length=1, max_length=len(Scope), description="What the key may do."
    )
    expires_at: MomentIn | None = Field(None, description="RFC 3339; null means never.")

    def to_request(self) -> ApiKeyRequest:
        return ApiKeyRequest(
            name=self.name,
            scopes=frozenset(Scope(scope) for scope in self.scopes),
            expires_at=self.expires_at,
        )


class RotationIn(In):
    """How an API key is to be replaced."""

    overlap_seconds: int = Field(
        86_400,
        ge=0,
        le=MAX_OVERLAP_SECONDS,
        description="How long the old key works on. 0 ends it at once.",
    )


class ApiKeyOut(Out):
    """An API key, without its secret."""

    id: UUID
    name: str | None
    prefix: str = Field(
        description="The public beginning of the key.", examples=["hk_test_4fT9aQ2z"]
    )
    scopes: list[ScopeName]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To within a minute.")
    replaced_by: UUID | None = Field(description="The key that a rotation made of it.")


class NewApiKeyOut(ApiKeyOut):
    """An API key with its secret, which is shown this once."""

    api_key: str = Field(description="The secret. It is not kept here: store it now.")


class ApiKeyList(Out):
    """A page of API keys, newest first."""

    data: list[ApiKeyOut]
    has_more: bool
    next_cursor: str | None


class HealthOut(Out):
    """The process lives."""

    status: Literal["ok"]


class ReadyOut(Out):
    """The service can take orders."""

    status: Literal["ready"]


class ProblemError(Out):
    """One thing that is wrong with the input."""

    pointer: str = Field(description="JSON Pointer into the body, or /query/name, /path/name.")
    code: str
    detail: str


class Problem(Out):
    """RFC 9457. `code` is stable; decide by it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str


def problem_schema(codes: list[str]) -> dict[str, Any]:
    """The schema of Problem with its codes, and the members that some codes add."""
    schema = Problem.model_json_schema()
    schema["properties"]["code"]["enum"] = codes
    schema["properties"]["errors"] = {
        "type": "array",
        "items": {"$ref": "#/components/schemas/ProblemError"},
        "description": "Only for invalid input.",
    }
    schema["properties"]["resource_id"] = {
        "type": "string",
        "format": "uuid",
        "description": "Only where the key made something: its id.",
    }
    return schema
