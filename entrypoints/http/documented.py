"""The parts of the OpenAPI document that FastAPI cannot infer."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from entrypoints.http.problems import KINDS, MEDIA_TYPE
from entrypoints.http.schemas import ProblemError, problem_schema

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

_TEXT: Final = {"schema": {"type": "string"}}
_REPLAYED: Final = {
    "description": "Whether this is the answer of an earlier request with the same key.",
    "schema": {"type": "string", "enum": ["true", "false"]},
}
_LOCATION: Final = {"description": "Where the result is.", **_TEXT}
_ETAG: Final = {"description": "The version of what is shown, quoted.", **_TEXT}
_RETRY_AFTER: Final = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
_REQUEST_ID: Final = {"description": "Name it when you ask for help.", **_TEXT}

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
                "pattern": "^[\\u0021-\\u007e]+$",
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


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that can answer these codes, and the edge's."""
    by_status: dict[int | str, list[str]] = {}
    for code in sorted((*codes, *EDGE), key=lambda code: KINDS[code].status):
        by_status.setdefault(KINDS[code].status, []).append(code)
    return {status: _problem_response(codes) for status, codes in by_status.items()}


def created(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """201 for the first answer and 200 for its repeats, with one schema."""
    return _first_and_repeats(201, model, "Done, and durable.", "A repeat: the first answer again.")


def accepted(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """202 for the first answer and 200 for its repeats, with one schema."""
    first = "Accepted, and durable: the gateway is asked next."
    return _first_and_repeats(202, model, first, "A repeat: the first answer again.")


def queued(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """202 for the first answer and 200 for its repeats, with one schema."""
    first = "Accepted, and durable: it is sent next."
    return _first_and_repeats(202, model, first, "A repeat: the first answer again.")


def done_or_accepted(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """200 for what was done at once and for repeats, 202 for what the gateway has to do first."""
    first = "Accepted, and durable: the gateway is asked next."
    return _first_and_repeats(202, model, first, "Done; or a repeat: the first answer again.")


def repeatable(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """200 for the first answer and for its repeats."""
    headers = {"Location": _LOCATION, "Idempotent-Replayed": _REPLAYED}
    return {200: {"model": model, "description": "Done, and durable.", "headers": headers}}


def _first_and_repeats(
    status: int, model: type[BaseModel], first: str, repeat: str
) -> dict[int | str, dict[str, Any]]:
    headers = {"Location": _LOCATION, "Idempotent-Replayed": _REPLAYED}
    return {
        200: {"model": model, "description": repeat, "headers": headers},
        status: {"model": model, "description": first, "headers": headers},
    }


def answered(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """200."""
    return {200: {"model": model}}


def fetched(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """200 with an ETag, or 304."""
    return {
        200: {"model": model, "headers": {"ETag": _ETAG}},
        304: {"description": "You have this version already.", "headers": {"ETag": _ETAG}},
    }


def listed(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """200 with a Link header."""
    link = {"description": 'The next page, rel="next" (RFC 8288).', **_TEXT}
    return {200: {"model": model, "headers": {"Link": link}}}


def streamed() -> dict[int | str, dict[str, Any]]:
    """200 with server-sent events."""
    return {200: {"description": "Events as they come."}}


def _problem_response(codes: Iterable[str]) -> dict[str, Any]:
    listed_codes = list(codes)
    headers: dict[str, Any] = {"X-Request-Id": _REQUEST_ID}
    if any(KINDS[code].retry_after for code in listed_codes):
        headers["Retry-After"] = _RETRY_AFTER
    return {
        "description": "; ".join(f"`{code}`: {KINDS[code].title}" for code in listed_codes),
        "headers": headers,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def operation_id(route: APIRoute) -> str:
    return route.name


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` the document that partners generate clients from."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
        servers=app.servers,
        contact=app.contact,
        license_info=app.license_info,
    )
    schemas = document["components"]["schemas"]
    for unwanted in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unwanted, None)
    schemas["Problem"] = problem_schema(sorted(KINDS))
    schemas["ProblemError"] = ProblemError.model_json_schema()
    for operation in _operations(document):
        _drop_framework_errors(operation)
    _strip_titles(document["paths"])
    for schema in schemas.values():
        _strip_titles(schema)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    return document


def _operations(document: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _drop_framework_errors(operation: dict[str, Any]) -> None:
    """FastAPI documents its own 422 where none was named; ours are all problems."""
    for status, response in list(operation["responses"].items()):
        content = response.get("content", {}).get("application/json", {})
        if "HTTPValidationError" in str(content.get("schema")):
            del operation["responses"][status]


def _strip_titles(node: Any) -> None:
    """Pydantic titles every property with its own name; generators make types of that noise."""
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for child in node.values():
            _strip_titles(child)
    elif isinstance(node, list):
        for child in node:
            _strip_titles(child)
