"""What the simulated gateway and its client say to each other over HTTP, as JSON. Pure.

    POST /operations              a request       -> 200 an outcome
                                                     409 {"problem": "key_reused"}
    GET  /operations/{reference}                  -> 200 an outcome
                                                     404 {"problem": "reference_unknown",
                                                          "reference"}
    GET  /effects?since=&after=   a moment, and
                                  the last `next` -> 200 {"data": [an effect], "next"}
    GET  /health                                  -> 200 {"status": "ok"}

    a request   {"key", "reference", "kind", "amount_minor", "currency", "payment_method",
                 "payment_id", "asked_at"}
    an outcome  {"reference", "outcome": "approved", "amount_minor", "currency", "payment_id",
                 "expires_at"}, or
                {"reference", "outcome": "declined", "code", "message"}
    an effect   {"reference", "kind", "amount_minor", "currency", "at"}

Every other status has {"problem"} too: 400, 404, 405, 413, 429 with Retry-After, 500, 503, 504.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from adapters.simulated.books import EffectPage, Position
from application.ports.gateway import Effect, GatewayRequest
from domain.errors import DomainError
from domain.money import Money
from domain.payment import Approved, Declined, Failure, OperationKind

KEY_REUSED: Final = "key_reused"
REFERENCE_UNKNOWN: Final = "reference_unknown"
MOST_REQUEST_BYTES: Final = 8_192

_CODE: Final = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,255}", re.ASCII)
# Without a dot, by which the gateway tells a second payment for a reference from the first.
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_POSITION: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_MOST_TEXT: Final = 1_000


class Unreadable(Exception):
    """It is not what was agreed. The message says where, and repeats nothing of it."""


def pack_request(request: GatewayRequest) -> bytes:
    return pack(
        {
            "key": request.key,
            "reference": request.reference,
            "kind": request.kind,
            **_money_members(request.amount),
            "payment_method": request.payment_method,
            "payment_id": request.payment_id,
            "asked_at": request.asked_at.isoformat(),
        }
    )


def unpack_request(content: bytes) -> GatewayRequest:
    """Raises Unreadable."""
    members = unpack(content)
    return GatewayRequest(
        key=_matching(_NAME, members, "key"),
        reference=_matching(_REFERENCE, members, "reference"),
        kind=_kind(members),
        amount=_money(members),
        payment_method=_optional_name(members, "payment_method"),
        payment_id=_optional_name(members, "payment_id"),
        asked_at=_moment(members, "asked_at"),
    )


def pack_outcome(reference: str, outcome: Approved | Declined) -> bytes:
    if isinstance(outcome, Declined):
        failure = outcome.failure
        return pack(
            {
                "reference": reference,
                "outcome": "declined",
                "code": failure.code,
                "message": failure.message,
            }
        )
    expires_at = outcome.expires_at
    return pack(
        {
            "reference": outcome.reference,
            "outcome": "approved",
            **_money_members(outcome.amount),
            "payment_id": outcome.payment_id,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        }
    )


def unpack_outcome(content: bytes) -> tuple[str, Approved | Declined]:
    """Whose outcome it is, and the outcome. Raises Unreadable."""
    members = unpack(content)
    reference = _text(members, "reference")
    match _text(members, "outcome"):
        case "declined":
            failure = Failure(
                code=_matching(_CODE, members, "code"), message=_text(members, "message")
            )
            return reference, Declined(failure)
        case "approved":
            lapses = _member(members, "expires_at") is not None
            return reference, Approved(
                reference=reference,
                amount=_money(members),
                payment_id=_matching(_NAME, members, "payment_id"),
                expires_at=_moment(members, "expires_at") if lapses else None,
            )
        case _:
            raise Unreadable("outcome")


def pack_effects(page: EffectPage) -> bytes:
    following = page.next
    return pack(
        {
            "data": [
                {
                    "reference": effect.reference,
                    "kind": effect.kind,
                    **_money_members(effect.amount),
                    "at": effect.at.isoformat(),
                }
                for effect in page.effects
            ],
            "next": None if following is None else position_text(following),
        }
    )


def unpack_effects(content: bytes) -> EffectPage:
    """Raises Unreadable."""
    members = unpack(content)
    data = _member(members, "data")
    if not isinstance(data, list):
        raise Unreadable("data")
    following = _member(members, "next")
    return EffectPage(
        effects=tuple(_effect(each) for each in data),
        next=None if following is None else unpack_position(_text(members, "next")),
    )


def position_text(position: Position) -> str:
    return f"{position.at}-{position.number}"


def unpack_position(text: str) -> Position:
    """Raises Unreadable."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise Unreadable("position")
    return Position(at=int(found[1]), number=int(found[2]))


def unpack_moment(text: str) -> datetime:
    """Raises Unreadable unless it is an ISO 8601 moment with its distance to UTC."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise Unreadable("moment")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unreadable("moment") from error


def is_reference(text: str) -> bool:
    return _REFERENCE.fullmatch(text) is not None


def pack(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def unpack(content: bytes) -> Mapping[str, Any]:
    """Raises Unreadable unless it is a JSON object."""
    try:
        members = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable("JSON") from error
    if not isinstance(members, dict):
        raise Unreadable("JSON")
    return members


def _effect(members: object) -> Effect:
    if not isinstance(members, dict):
        raise Unreadable("data")
    return Effect(
        reference=_text(members, "reference"),
        kind=_kind(members),
        amount=_money(members),
        at=_moment(members, "at"),
    )


def _money_members(money: Money) -> dict[str, object]:
    return {"amount_minor": money.amount_minor, "currency": money.currency}


def _member(members: Mapping[str, Any], name: str) -> object:
    if name not in members:
        raise Unreadable(name)
    found: object = members[name]
    return found


def _text(members: Mapping[str, Any], name: str) -> str:
    found = _member(members, name)
    # What is not printable, half a surrogate pair for one, could be neither stored nor shown.
    if not isinstance(found, str) or not 1 <= len(found) <= _MOST_TEXT or not found.isprintable():
        raise Unreadable(name)
    return found


def _matching(pattern: re.Pattern[str], members: Mapping[str, Any], name: str) -> str:
    found = _text(members, name)
    if pattern.fullmatch(found) is None:
        raise Unreadable(name)
    return found


def _optional_name(members: Mapping[str, Any], name: str) -> str | None:
    return None if _member(members, name) is None else _matching(_NAME, members, name)


def _kind(members: Mapping[str, Any]) -> OperationKind:
    try:
        return OperationKind(_text(members, "kind"))
    except ValueError as error:
        raise Unreadable("kind") from error


def _money(members: Mapping[str, Any]) -> Money:
    amount_minor = _member(members, "amount_minor")
    if type(amount_minor) is not int:
        raise Unreadable("amount_minor")
    try:
        return Money(amount_minor=amount_minor, currency=_text(members, "currency"))
    except DomainError as error:
        raise Unreadable("amount") from error


def _moment(members: Mapping[str, Any], name: str) -> datetime:
    try:
        return unpack_moment(_text(members, name))
    except Unreadable as error:
        raise Unreadable(name) from error
