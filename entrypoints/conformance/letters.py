"""Events as Harbor words them, signed as Harbor signs them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from application.event_document import data_text, event_body
from application.json_text import json_object_text, render
from application.order_document import order_text
from application.ports.clock import Clock
from application.ports.ids import Ids
from domain.event import EventType
from domain.webhook_signature import SECRET_BYTES, compose_secret, signature_header
from entrypoints.http.limits import MAX_BODY_BYTES
from entrypoints.http.wire.orders import MAX_METADATA

_BYTES: Final = "".join(map(chr, range(256)))
_NO_AGE: Final = timedelta(0)
_STATUSES: Final = {
    EventType.ORDER_PROCESSING: ("processing", 2),
    EventType.ORDER_PAID: ("paid", 3),
}
_CUSTOMER_ID: Final = "cus_42"
_AMOUNT_MINOR: Final = 1999
_CURRENCY: Final = "EUR"
_INVOICE_ID: Final = "INV-2026-0042"
_NAMES: Final = tuple(f"{number:040}" for number in range(MAX_METADATA))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`body` is what a webhook carries of it."""

    id: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request as it is sent. `is_good` tells whether the receiver is to accept it; `ids` are
    those under which it may be remembered."""

    headers: Mapping[str, str]
    body: bytes
    is_good: bool
    ids: frozenset[str]

    def forged(self, *, body: bytes | None = None, **headers: str | None) -> "Delivery":
        """The same with something else in it, under the signature of before: to be refused. A
        header is named as in `webhook_id`; one that is None is left out."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        merged: dict[str, str | None] = {**self.headers, **named}
        return replace(
            self,
            headers={name: value for name, value in merged.items() if value is not None},
            body=self.body if body is None else body,
            is_good=False,
            ids=self.ids | {merged["webhook-id"] or ""},
        )


class Correspondent:
    """Writes events and signs deliveries, with the receiver's `secret` unless told otherwise."""

    def __init__(self, secret: str, *, ids: Ids, clock: Clock) -> None:
        self.secret = secret
        self.unknown_secret = compose_secret(ids.secret(_BYTES, SECRET_BYTES).encode("latin-1"))
        """One that the receiver does not know."""
        self._ids = ids
        self._clock = clock
        self._sequence = 0

    def new_id(self) -> str:
        return str(self._ids.new())

    def now(self) -> str:
        """As `webhook-timestamp` has it."""
        return str(int(self._clock.now().timestamp()))

    def order(
        self,
        event_type: EventType = EventType.ORDER_PAID,
        *,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """The document of a new order to which this has happened just now."""
        status, version = _STATUSES[event_type]
        now = self._clock.now()
        return order_text(
            id=self._ids.new(),
            status=status,
            customer_id=_CUSTOMER_ID,
            amount_minor=_AMOUNT_MINOR,
            currency=_CURRENCY,
            invoice_id=_INVOICE_ID,
            description=description,
            payment_method=None,
            capture_method="automatic",
            metadata_json=json_object_text(metadata or {}),
            captured_minor=_AMOUNT_MINOR if status == "paid" else 0,
            refunded_minor=0,
            failure=None,
            version=version,
            created_at=now,
            updated_at=now,
        )

    def largest_order(self) -> str:
        """The document of one whose request was as large as a request may be."""
        return self.order(metadata=_filling_metadata())

    def paid(self, order: str | None = None, *, age: timedelta = _NO_AGE) -> Event:
        """An order was paid `age` ago: a new one unless its document is given."""
        data = data_text(order or self.order(), about_order=True)
        return self.event(EventType.ORDER_PAID, data, age=age)

    def event(self, event_type: str, data: str, *, age: timedelta = _NO_AGE) -> Event:
        """Of any type, with any data."""
        self._sequence += 1
        event_id = self._ids.new()
        body = event_body(
            event_id=event_id,
            event_type=event_type,
            sequence=self._sequence,
            occurred_at=self._clock.now() - age,
            data=data,
        )
        return Event(id=str(event_id), body=body)

    def delivery(self, event: Event, *secrets: str, age: timedelta = _NO_AGE) -> Delivery:
        """Signed `age` ago with each of the secrets; in the future if that is negative."""
        timestamp = int((self._clock.now() - age).timestamp())
        signers = secrets or (self.secret,)
        return Delivery(
            headers={
                "webhook-id": event.id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": signature_header(signers, event.id, timestamp, event.body),
            },
            body=event.body,
            is_good=self.secret in signers and age == _NO_AGE,
            ids=frozenset({event.id}),
        )


def _filling_metadata() -> dict[str, str]:
    """With it, the request for the order has MAX_BODY_BYTES."""
    request = {
        "customer_id": _CUSTOMER_ID,
        "amount_cents": _AMOUNT_MINOR,
        "currency": _CURRENCY,
        "invoice_id": _INVOICE_ID,
        "metadata": dict.fromkeys(_NAMES, ""),
    }
    each, rest = divmod(MAX_BODY_BYTES - len(render(request)), len(_NAMES))
    return {name: _text_of(each + (name == _NAMES[0]) * rest) for name in _NAMES}


def _text_of(size: int) -> str:
    """So many bytes, in few enough characters for a value of metadata."""
    return "€" * (size // 3) + "x" * (size % 3)
