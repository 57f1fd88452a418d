"""What a route says of itself in the OpenAPI document beyond its signature."""

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from entrypoints.http.problems import KINDS, MEDIA_TYPE
from entrypoints.http.wire.paths import VISIBLE_ASCII

EDGE: Final = (
    "malformed_request",
    "request_timeout",
    "body_too_large",
    "uri_too_long",
    "headers_too_large",
    "internal_error",
    "unavailable",
)
"""What every operation can answer."""

KEYED: Final = ("api_key_missing", "api_key_invalid", "scope_missing")
ONCE: Final = (
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "idempotency_in_progress",
    "idempotency_key_expired",
    "idempotency_key_reused",
    "unsupported_media_type",
    "validation_failed",
    "outcome_unknown",
)

_TEXT: Final = {"type": "string"}
HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    "ETag": {
        "description": "The version of the order that is shown, quoted.",
        "schema": _TEXT | {"examples": ['"3"']},
    },
    "Idempotent-Replayed": {
        "description": "Whether this is the answer of an earlier request with the same key.",
        "schema": {"type": "boolean"},
    },
    "Link": {
        "description": 'The path of the next page, rel="next" (RFC 8288); absent on the last one.',
        "schema": _TEXT | {"examples": ['</v1/orders?limit=25&cursor=AAZDp9Qc>; rel="next"']},
    },
    "Location": {
        "description": "The path of the result.",
        "schema": _TEXT | {"examples": ["/v1/orders/019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"]},
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request is sent again.",
        "schema": {"type": "integer", "examples": [1]},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 9110).",
        "schema": _TEXT | {"examples": ["Bearer"]},
    },
    "X-Request-Id": {
        "description": "Names the request; it is yours if you sent one. Name it when you ask for"
        " help.",
        "schema": _TEXT | {"examples": ["abc-123"]},
    },
}
"""The response headers, by name; components of the document."""

Links: TypeAlias = Mapping[str, Mapping[str, Any]]


def _links(parameter: str, *operations: str) -> Links:
    """To operations that take the id of what was answered as this parameter."""
    return {
        each: {"operationId": each, "parameters": {parameter: "$response.body#/id"}}
        for each in operations
    }


ORDER_LINKS: Final = _links(
    "order_id",
    *("get_order", "capture_order", "cancel_order", "refund_order"),
    *("list_refunds", "list_operations", "list_order_events"),
)
REFUND_LINKS: Final = _links("refund_id", "get_refund")
ENDPOINT_LINKS: Final = _links(
    "endpoint_id",
    *("get_webhook_endpoint", "change_webhook_endpoint", "delete_webhook_endpoint"),
    *("rotate_webhook_secret", "list_webhook_deliveries", "send_test_webhook"),
)
API_KEY_LINKS: Final = _links("key_id", "rotate_api_key", "revoke_api_key")

IDEMPOTENCY_KEY: Final = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": True,
            "description": (
                "A random name of your request, 1 to 255 visible ASCII characters. Retry with the"
                " same key and the same body: it is carried out once."
            ),
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": VISIBLE_ASCII,
            },
            "example": "7f3c1b1e-5a55-4f0b-9f57-0d2f2a3a9c11",
        }
    ]
}

IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": (
        "The ETag of the order as you saw it: if it has changed since, the answer is 412 and"
        " nothing is done."
    ),
    "schema": {"type": "string"},
    "example": '"3"',
}

IF_NONE_MATCH: Final = {
    "parameters": [
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": (
                "The ETag of the order as you have it: while it has not changed, the answer is 304,"
                " without a body."
            ),
            "schema": {"type": "string"},
            "example": '"3"',
        }
    ]
}

LAST_EVENT_ID: Final = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "required": False,
            "description": "The sequence of the last event you have, as EventSource sends it.",
            "schema": {"type": "string", "pattern": "^[0-9]{0,19}$"},
            "example": "42",
        }
    ]
}


Responses: TypeAlias = dict[int | str, dict[str, Any]]
"""What FastAPI takes as the responses of a route."""

_REPEAT: Final = "A repeat: the first answer again, byte by byte."
_ASKED_NEXT: Final = "Accepted, and durable: the gateway is asked next."


def headed(*names: str) -> dict[str, Any]:
    """The `headers` of a response that has these of HEADERS."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problems(*codes: str) -> Responses:
    """The `responses` of an operation that can answer these codes, and the edge's."""
    by_status: dict[int | str, list[str]] = {}
    for code in sorted((*codes, *EDGE), key=lambda code: KINDS[code].status):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {status: _problem_response(codes) for status, codes in by_status.items()}


def created(
    model: type[BaseModel], links: Links | None = None, *, versioned: bool = False
) -> Responses:
    """201 for the first answer and 200 for its repeats, with one schema; `versioned` with an
    ETag."""
    first = _once(model, "Done, and durable.", links, versioned)
    return {200: _once(model, _REPEAT, links, versioned), 201: first}


def accepted(
    model: type[BaseModel], links: Links | None = None, *, versioned: bool = False
) -> Responses:
    """202 for the first answer and 200 for its repeats, with one schema."""
    first = _once(model, _ASKED_NEXT, links, versioned)
    return {200: _once(model, _REPEAT, links, versioned), 202: first}


def done_or_accepted(
    model: type[BaseModel], links: Links | None = None, *, versioned: bool = False
) -> Responses:
    """200 for what was done at once and for repeats, 202 for what the gateway has to do first."""
    done = _once(model, "Done; or a repeat: the first answer again.", links, versioned)
    return {200: done, 202: _once(model, _ASKED_NEXT, links, versioned)}


def repeatable(model: type[BaseModel]) -> Responses:
    """200 for the first answer and for its repeats."""
    return {200: _once(model, "Done, and durable; or a repeat: the first answer again.")}


def _once(
    model: type[BaseModel],
    description: str,
    links: Links | None = None,
    versioned: bool = False,
) -> dict[str, Any]:
    names = ("Location", "Idempotent-Replayed", *(["ETag"] if versioned else []))
    return _answer(description, model=model, headers=headed(*names), links=links)


def answered(model: type[BaseModel], description: str) -> Responses:
    """200."""
    return {200: _answer(description, model=model)}


def fetched(model: type[BaseModel], description: str, links: Links | None = None) -> Responses:
    """200 with an ETag, or 304."""
    headers = headed("ETag")
    return {
        200: _answer(description, model=model, headers=headers, links=links),
        304: {"description": "You have this version already.", "headers": headers},
    }


def listed(model: type[BaseModel]) -> Responses:
    """200 with a Link header."""
    return {200: _answer("A page.", model=model, headers=headed("Link"))}


def streamed() -> Responses:
    """200 with server-sent events."""
    return {
        200: {
            "description": "Events as they come: `id` is the sequence, `event` the type, `data` an"
            " Event as JSON.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    }


def removed() -> Responses:
    """204."""
    return {204: {"description": "Done; there is nothing to show."}}


def _answer(
    description: str,
    *,
    model: type[BaseModel],
    headers: Mapping[str, Any] | None = None,
    links: Links | None = None,
) -> dict[str, Any]:
    answer = {"model": model, "description": description, "headers": headers, "links": links}
    return {name: value for name, value in answer.items() if value}


def _problem_response(codes: Iterable[str]) -> dict[str, Any]:
    kinds = {code: KINDS[code] for code in codes}
    names: list[str] = []
    if {kind.status for kind in kinds.values()} & {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        names.append("WWW-Authenticate")
    if any(kind.retry_after for kind in kinds.values()):
        names.append("Retry-After")
    return {
        "description": "; ".join(f"`{code}`: {kind.title}" for code, kind in kinds.items()),
        "headers": headed(*names),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_OF_SEVERAL_CODES: Final = {
    "ApiKeyRefused": ("api_key_missing", "api_key_invalid"),
    "RequestOrIdempotencyKeyMalformed": (
        *("idempotency_key_missing", "idempotency_key_invalid", "malformed_request"),
    ),
    "OutcomeUnknownOrUnavailable": ("outcome_unknown", "unavailable"),
}


def _named() -> Iterator[tuple[str, dict[str, Any]]]:
    of_one_code = {code.title().replace("_", ""): (code,) for code in KINDS}
    for name, codes in (of_one_code | _OF_SEVERAL_CODES).items():
        response = _problem_response(codes)
        yield name, response | {"headers": headed("X-Request-Id") | response["headers"]}


NAMED_RESPONSES: Final = dict(_named())
"""The problems that operations answer alike, by the name of their component."""
