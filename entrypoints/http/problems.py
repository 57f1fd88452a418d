"""Every error a caller can see: RFC 9457 problem documents, from one table of codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

from application.json_text import render
from domain.order import OrderStatus

MEDIA_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code means in HTTP. `retry_after` is in seconds."""

    status: int
    title: str
    retry_after: int | None = None


KINDS: Final[Mapping[str, Kind]] = {
    "malformed_request": Kind(400, "The request cannot be read"),
    "idempotency_key_missing": Kind(400, "The Idempotency-Key header is missing"),
    "idempotency_key_invalid": Kind(400, "The Idempotency-Key is not valid"),
    "invalid_cursor": Kind(400, "The cursor is not valid"),
    "api_key_missing": Kind(401, "An API key is required"),
    "api_key_invalid": Kind(401, "The API key is not valid"),
    "scope_missing": Kind(403, "The API key lacks a scope"),
    "not_found": Kind(404, "There is nothing at this address"),
    "order_not_found": Kind(404, "There is no such order"),
    "refund_not_found": Kind(404, "There is no such refund"),
    "api_key_not_found": Kind(404, "There is no such API key"),
    "webhook_delivery_not_found": Kind(404, "There is no such webhook delivery"),
    "webhook_endpoint_not_found": Kind(404, "There is no such webhook endpoint"),
    "method_not_allowed": Kind(405, "The address does not take this method"),
    "request_timeout": Kind(408, "The request took too long to arrive"),
    "idempotency_in_progress": Kind(409, "The first request is still running", 1),
    "idempotency_key_expired": Kind(409, "The answer is no longer kept"),
    "secret_no_longer_available": Kind(409, "The secret is no longer kept"),
    "webhook_endpoint_disabled": Kind(409, "The webhook endpoint is disabled"),
    "api_key_inactive": Kind(409, "The API key is not active"),
    **{f"order_is_{status}": Kind(409, f"The order is {status}") for status in OrderStatus},
    "version_mismatch": Kind(412, "The order has changed"),
    "body_too_large": Kind(413, "The body is too large"),
    "uri_too_long": Kind(414, "The address is too long"),
    "unsupported_media_type": Kind(415, "The body is not JSON"),
    "validation_failed": Kind(422, "The request breaks a rule"),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key stands for another request"),
    "payment_method_unknown": Kind(422, "The payment method is not known"),
    "capture_amount_invalid": Kind(422, "The amount cannot be captured"),
    "refund_amount_invalid": Kind(422, "The amount cannot be refunded"),
    "webhook_url_refused": Kind(422, "No webhook may go to this URL"),
    "too_many_deliveries": Kind(422, "There are too many webhook deliveries"),
    "too_many_webhook_endpoints": Kind(422, "There are too many webhook endpoints"),
    "currency_mismatch": Kind(422, "The currencies differ"),
    "amount_out_of_range": Kind(422, "The amount is out of range"),
    "currency_unknown": Kind(422, "The currency is not known"),
    "name_invalid": Kind(422, "The name is not valid"),
    "expiry_in_the_past": Kind(422, "The expiry lies in the past"),
    # Of a limit for each merchant, where somebody has put one in front of the service.
    "rate_limited": Kind(429, "There were too many requests", 1),
    "headers_too_large": Kind(431, "The headers are too large"),
    "internal_error": Kind(500, "Something went wrong here"),
    "unavailable": Kind(503, "The service cannot work at this moment", 1),
    "outcome_unknown": Kind(503, "The outcome is not known yet", 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputError:
    """`pointer` is a JSON Pointer (RFC 6901) into the body, or /query/name, /path/name."""

    pointer: str
    code: str
    detail: str


class Refused(Exception):
    """An entrypoint refuses a request. `code` stands in KINDS; nothing repeats the input."""

    def __init__(self, code: str, detail: str, errors: Sequence[InputError] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)


def problem(
    code: str,
    detail: str,
    *,
    request_id: str,
    errors: Sequence[InputError] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The response for `code`. `members` are extension members of this code."""
    kind = KINDS[code]
    document: dict[str, Any] = {
        "type": f"urn:harbor:problem:{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": f"urn:harbor:request:{request_id}",
        "code": code,
        "request_id": request_id,
    }
    if errors:
        document["errors"] = [
            {"pointer": error.pointer, "code": error.code, "detail": error.detail}
            for error in errors
        ]
    return Response(
        render(document | dict(members or {})),
        status_code=kind.status,
        media_type=MEDIA_TYPE,
        headers=_headers(kind) | dict(headers or {}),
    )


def _headers(kind: Kind) -> dict[str, str]:
    headers = {}
    if kind.retry_after is not None:
        headers["Retry-After"] = str(kind.retry_after)
    if kind.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        headers["WWW-Authenticate"] = "Bearer"
    return headers
