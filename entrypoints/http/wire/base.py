"""What the models of the wire are made of."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

MOST_INT64: Final = 2**63 - 1

PRINTABLE: Final = r"^[^\u0000-\u001f\u007f]*$"
TEXT: Final = r"^[^\u0000]*$"
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

INT64: Final[dict[str, Any]] = {"format": "int64"}
OPEN: Final[dict[str, Any]] = {"x-extensible-enum": True}
"""Of an enumeration that may get more values: a client must not fail at one that it does not know.
"""


class In(BaseModel):
    """A request body: exact types, no unknown members, nothing repeated in an error."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class Out(BaseModel):
    """A response body: every member is always present."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Sparse(Out):
    """A part of a response: members with a default may be absent."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)


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


def _from_digits(value: object) -> object:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,3}", value):
            raise PydanticCustomError("integer_invalid", "Not a whole number from 1 to 100")
        return int(value)
    return value


MomentIn = Annotated[datetime, BeforeValidator(_from_rfc3339)]
Digits = Annotated[int, BeforeValidator(_from_digits)]

CreatedAt = Annotated[
    datetime, Field(description="When it was made, UTC.", examples=["2026-11-21T10:00:00.123456Z"])
]
UpdatedAt = Annotated[
    datetime,
    Field(description="When it last changed, UTC.", examples=["2026-11-21T10:00:01.654321Z"]),
]
Id = Annotated[
    UUID, Field(description="UUIDv7.", examples=["019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"])
]
OrderId = Annotated[
    UUID, Field(description="The order's id.", examples=["019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"])
]
Cents = Annotated[
    int,
    Field(
        ge=0,
        description="Minor units of the currency: 1999 is 19.99 EUR, or 1999 JPY.",
        examples=[1999],
        json_schema_extra=INT64,
    ),
]
Currency = Annotated[
    str, Field(pattern="^[A-Z]{3}$", description="ISO 4217 code.", examples=["EUR"])
]
