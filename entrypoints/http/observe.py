"""The outermost layer: request ids, security headers, announcements of what goes away, one log line
a request, and the last 500."""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from application.ports.ids import Ids
from entrypoints.http.deprecation import announce
from entrypoints.http.headers import name_headers
from entrypoints.http.problems import problem
from entrypoints.http.request_id import HEADER, assign_request_id
from entrypoints.logs import log_request

MERCHANT: Final = "harbor.merchant_id"
"""Where the authentication leaves the merchant in the scope, for the log."""

_CLIENT_LEFT: Final = 499
"""nginx's number for a client that went away before it had an answer."""

_FAILED: Final = (
    "The failure was noted. Retry with the same Idempotency-Key: nothing is done twice."
)
_STOPPED: Final = (
    "The server stopped before it knew the outcome. Retry with the same Idempotency-Key: nothing"
    " is done twice."
)
_USUAL: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Of an answer that says nothing else: the pages have a policy and a cache of their own."""
_NAMES: Final = frozenset(name for name, _ in _USUAL)

_log = logging.getLogger("harbor.http")


class Observe:
    """Logs method, route template, status, duration, request id and merchant: never a body, a
    header, a query or a path as it was sent."""

    def __init__(self, app: ASGIApp, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        name_headers(scope)
        request_id = assign_request_id(scope, self._ids)
        status = _CLIENT_LEFT

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_missing(message, request_id)
                announce(scope, message)
            await send(message)

        try:
            await self._app(scope, receive, send_observed)
        except asyncio.CancelledError:
            # The time for a stop is up. What was begun goes on for a moment without us.
            if status == _CLIENT_LEFT:
                safe = scope["method"] in ("GET", "HEAD")
                code = "unavailable" if safe else "outcome_unknown"
                stopped = problem(code, _STOPPED, request_id=request_id)
                await stopped(scope, receive, send_observed)
        except Exception:
            _log.exception("request failed", extra={"request_id": request_id})
            if status == _CLIENT_LEFT:
                await failed(request_id)(scope, receive, send_observed)
        finally:
            log_request(
                scope["method"],
                _route_template(scope),
                status,
                _milliseconds_since(started),
                request_id,
                scope.get(MERCHANT),
            )


def failed(request_id: str) -> Response:
    """The last answer, when nobody knows what went wrong."""
    return problem("internal_error", _FAILED, request_id=request_id)


def _add_missing(message: Message, request_id: str) -> None:
    own: Iterable[tuple[bytes, bytes]] = _USUAL
    headers = [*message.get("headers", ()), (HEADER, request_id.encode())]
    present = [name for name, _ in headers]
    if not _NAMES.isdisjoint(present):
        own = [each for each in own if each[0] not in present]
    message["headers"] = [*headers, *own]


def _route_template(scope: Scope) -> str:
    """For example /v1/orders/{order_id}. A path as it was sent is never logged: what no route
    knows is "unmatched", and a route that FastAPI does not wrap (/openapi.json) has no
    parameters."""
    route = scope.get("route")
    if route is not None:
        template: str = route.path_format
        return template
    return scope["path"] if "endpoint" in scope else "unmatched"


def _milliseconds_since(started: float) -> float:
    """In hundredths, without the price of round()."""
    return int((time.perf_counter() - started) * 100_000) / 100
