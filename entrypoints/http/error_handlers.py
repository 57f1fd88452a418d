"""From exceptions to problem documents. Nothing of the input is repeated."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from application.errors import (
    ApplicationError,
    IdempotencyKeyExpired,
    SecretNoLongerAvailable,
)
from application.ports.faults import KeyInProgress, OutcomeUnknown, StorageUnavailable
from domain.errors import DomainError
from entrypoints.http.json_body import Unreadable
from entrypoints.http.observe import failed
from entrypoints.http.problems import KINDS, InputError, Refused, problem
from entrypoints.http.request_id import request_id_of
from entrypoints.http.wire.base import In

_CODES: Final = {
    "missing": "required",
    "extra_forbidden": "unknown_member",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "too_long": "too_many",
    "too_short": "too_few",
    "string_pattern_mismatch": "pattern_mismatch",
    "greater_than_equal": "too_small",
    "less_than_equal": "too_large",
    "literal_error": "not_allowed",
}
_OUR_CODES: Final = frozenset(
    {
        *("card_number_refused", "currency_unknown", "date_time_invalid"),
        *("event_type_unknown", "integer_invalid"),
    }
)
_BY_STATUS: Final = {
    kind.status: code for code, kind in KINDS.items() if code in ("not_found", "method_not_allowed")
}
_METHODS: Final = ("GET", "POST", "PATCH", "DELETE")
_BUSY: Final = "The first request with this Idempotency-Key is still running. Try again shortly."
_UNKNOWN: Final = (
    "It is not known yet whether the request was carried out. Retry with the same key: it will"
    " never be carried out twice."
)
_UNAVAILABLE: Final = "Nothing was changed. Retry with the same key."


def add_error_handlers(app: FastAPI) -> None:
    """One handler for each kind of exception that can leave a route."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(DomainError, _domain)
    app.add_exception_handler(ApplicationError, _application)
    app.add_exception_handler(Exception, _unforeseen)
    for fault, code, detail in (
        (KeyInProgress, "idempotency_in_progress", _BUSY),
        (OutcomeUnknown, "outcome_unknown", _UNKNOWN),
        (StorageUnavailable, "unavailable", _UNAVAILABLE),
    ):
        app.add_exception_handler(fault, _constant(code, detail))


def _constant(code: str, detail: str) -> Any:
    async def handle(request: Request, _: Exception) -> Response:
        return problem(code, detail, request_id=request_id_of(request.scope))

    return handle


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - Starlette looked it up by this type
    return problem(
        error.code,
        error.detail,
        request_id=request_id_of(request.scope),
        errors=error.errors,
    )


async def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101
    errors = []
    if error.field is not None:
        errors = [InputError(pointer=f"/{error.field}", code=error.code, detail=error.detail)]
    return problem(error.code, error.detail, request_id=request_id_of(request.scope), errors=errors)


async def _application(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApplicationError)  # noqa: S101
    members = {}
    if isinstance(error, IdempotencyKeyExpired | SecretNoLongerAvailable):
        members = {"resource_id": str(error.resource_id)}
    return problem(
        error.code, error.detail, request_id=request_id_of(request.scope), members=members
    )


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = _BY_STATUS.get(error.status_code, "malformed_request")
    headers = {"Allow": ", ".join(_allowed(request))} if code == "method_not_allowed" else {}
    return problem(
        code,
        KINDS[code].title + ".",
        request_id=request_id_of(request.scope),
        headers=headers,
    )


async def _unforeseen(request: Request, _: Exception) -> Response:
    """Starlette raises the error again when this is sent: Observe notes it."""
    return failed(request_id_of(request.scope))


def _allowed(request: Request) -> list[str]:
    """Every method the address takes; Starlette names only those of the first route there."""
    routes = request.app.router.routes
    allowed = [
        method
        for method in _METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes
        )
    ]
    return [*allowed[:1], "HEAD", *allowed[1:]] if "GET" in allowed else allowed


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    request_id = request_id_of(request.scope)
    if isinstance(error.body, Unreadable):
        return problem("malformed_request", error.body.detail, request_id=request_id)
    if isinstance(error.body, bytes):
        detail = "Send the body as JSON, with the header Content-Type: application/json."
        return problem("unsupported_media_type", detail, request_id=request_id)
    found = error.errors()
    if any(each["loc"] == ("body",) and each["type"] == "missing" for each in found):
        return problem("malformed_request", "A JSON body is required.", request_id=request_id)
    return problem(
        "validation_failed",
        "The request is well-formed, and breaks a rule: see errors.",
        request_id=request_id,
        errors=list(_input_errors(found)),
    )


def _input_errors(found: Iterable[Mapping[str, Any]]) -> Iterable[InputError]:
    seen = set()
    for each in found:
        error = InputError(
            pointer=_pointer(each["loc"]), code=_code(each["type"]), detail=_detail(each)
        )
        if error not in seen:
            seen.add(error)
            yield error


def _pointer(location: tuple[str | int, ...]) -> str:
    place, *parts = location
    pointer = "" if place == "body" else f"/{place}"
    for part in parts:
        if part not in known_names() and not isinstance(part, int):
            break
        pointer += f"/{part}"
    return pointer


@cache
def known_names() -> frozenset[str]:
    """Only these may stand in a pointer: any other name came from the caller. When it is first
    asked for, every route has its models."""
    return frozenset(name for model in _subclasses(In) for name in model.model_fields)


def _subclasses(model: type[In]) -> Iterator[type[In]]:
    for each in model.__subclasses__():
        yield each
        yield from _subclasses(each)


def _code(kind: str) -> str:
    if kind in _OUR_CODES:
        return kind
    return _CODES.get(kind, "wrong_type" if kind.endswith("_type") else "invalid")


def _detail(found: Mapping[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return "There is a member or parameter here that is not known."
    return f"{found['msg']}."
