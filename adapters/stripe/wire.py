"""What goes to Stripe and what comes back, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

Fields: TypeAlias = tuple[tuple[str, str], ...]
"""Form fields, in Stripe's notation for nested ones: `metadata[harbor_reference]`."""

Json: TypeAlias = Any
"""Parsed by nobody yet: it may be anything at all."""

REFERENCE: Final = "harbor_reference"
"""The `metadata` of a payment intent or refund that says whose it is. The answer repeats it."""
CAPTURE_REFERENCE: Final = "harbor_capture"
VOID_REFERENCE: Final = "harbor_void"

RESOURCE_MISSING: Final = "resource_missing"
"""The code of a 400 or 404 that is about an object that is not there."""

WITH_CHARGE: Final = ("expand[]", "latest_charge")
WITH_CHARGES: Final = ("expand[]", "data.latest_charge")
WITH_CAPTURES: Final = ("expand[]", "data.latest_charge.balance_transaction")
WITH_PAYMENTS: Final = ("expand[]", "data.payment_intent.latest_charge.balance_transaction")
"""Four levels, which is as deep as Stripe goes. https://docs.stripe.com/expand"""


class Purpose(Enum):
    """Why a call is made, which decides what its answer means."""

    ACT = auto()
    """It is what was asked for."""
    MARK = auto()
    """It writes down whose void comes next: a cancellation itself takes no metadata."""
    LET_GO = auto()
    """It cancels a payment that waits for what will not come: a payer, or a confirmation."""
    LOOK = auto()
    """It changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to Stripe. `key` is its Idempotency-Key: no GET has one, and of the POSTs only
    those go without that can be done once by their nature (`translate.conclude`)."""

    method: str
    path: str
    fields: Fields = ()
    key: str | None = None
    purpose: Purpose = Purpose.ACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is a JSON object; `retry_after` is the header as it came. `is_replay` says that
    nothing was done now: it is the answer to an earlier call with the same key."""

    status: int
    body: Mapping[str, Json]
    retry_after: str | None = None
    is_replay: bool = False


def look(path: str, *fields: tuple[str, str]) -> Call:
    return Call(method="GET", path=path, fields=fields, purpose=Purpose.LOOK)
