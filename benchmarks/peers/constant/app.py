"""Reads the request and answers the same bytes each time, without looking anything up."""

from typing import Any, Final

BODY: Final = (
    b'{"id":"01a1fc10-6f81-70ef-972f-9f8a31229c92","status":"pending","customer_id":"cus_42",'
    b'"amount_cents":1999,"currency":"EUR","invoice_id":"INV-2026-0042","description":null,'
    b'"payment_method":"sim_approve","capture_method":"automatic",'
    b'"metadata":{"department":"procurement"},"amount_captured_cents":0,'
    b'"amount_refunded_cents":0,"failure":null,"version":1,'
    b'"created_at":"2026-11-21T02:17:39.000120Z","updated_at":"2026-11-21T02:17:39.000120Z"}'
)
START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The ASGI application."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        pass
    await send(START)
    await send({"type": "http.response.body", "body": BODY})
