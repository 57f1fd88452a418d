"""What Schemathesis cannot read in the document: that an idempotency key is used once, and what
rules there are beyond the schema. SCHEMATHESIS_HOOKS names this file."""

import os
import re
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import schemathesis
from schemathesis.generation import GenerationMode

_KEY = re.compile(r"[!-~]{1,255}")
_TOKENS = ("sim_approve", "sim_decline", "sim_insufficient_funds")
_MEANT: dict[str, Any] = {
    # Of the many words that fit the pattern, a few are currencies.
    "currency": "EUR",
    "name": "Billing",
    "url": "https://partner.example/harbor",
    "expires_at": "2199-01-01T00:00:00Z",
    "created_from": "2026-01-01T00:00:00Z",
    "created_before": "2026-01-02T00:00:00Z",
}
_OF_THE_STATE = {
    "capture_amount_invalid",
    "refund_amount_invalid",
    "too_many_deliveries",
    "too_many_webhook_endpoints",
}
"""Codes of 422 that no request can avoid by itself."""
_UNPROCESSABLE = 422
_LONG = 300


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A key of its own for each request, and good requests that mean something."""
    headers = case.headers or {}
    if _KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
        headers["Idempotency-Key"] = str(uuid4())
    # An address of more than 4 kB is refused before anybody could write a problem about it.
    for name, value in (case.query or {}).items():
        if len(str(value)) > _LONG:
            case.query[name] = str(value)[:_LONG]
    # Whoever revokes the key that he calls with sees nothing more.
    if (case.path_parameters or {}).get("key_id") == os.environ["HARBOR_OWN_KEY_ID"]:
        case.path_parameters["key_id"] = str(uuid4())
    if _is_good(case):
        _give_meaning(case)


@schemathesis.check
def refuses_nothing_that_is_documented(context: Any, response: Any, case: Any) -> None:
    """The check of Schemathesis lets 422 pass here, for there are rules of what was done before."""
    if _is_good(case) and response.status_code == _UNPROCESSABLE:
        code = response.json().get("code")
        assert code in _OF_THE_STATE, f"{code} for a request that fits the document"


def _is_good(case: Any) -> bool:
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def _give_meaning(case: Any) -> None:
    # Which version an order has, nobody can guess; and only the service can make a cursor.
    # What Schemathesis makes of a pattern in a path does not always match it. It is quoted already.
    if not _KEY.fullmatch(unquote((case.path_parameters or {}).get("key", "-"))):
        case.path_parameters["key"] = str(uuid4())
    for container, name in ((case.headers, "If-Match"), (case.query, "cursor")):
        if container:
            container.pop(name, None)
    if isinstance(case.body, dict):
        case.body = {name: _meant(name, value, case.body) for name, value in case.body.items()}


def _meant(name: str, value: Any, body: dict[str, Any]) -> Any:
    if value is None:
        return None
    if name == "payment_method":
        return _TOKENS[len(value) % len(_TOKENS)]
    # Less than any order has, so that there is something to capture or to refund.
    if name == "amount_cents" and "customer_id" not in body:
        return 1
    # To JSON Schema 1.0 is an integer. Money does not come as a fraction here.
    return _MEANT.get(name, int(value) if isinstance(value, float) else value)
