"""The limits at the edge. What passes is small, whole and readable."""

import asyncio
import re
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.problems import Refused, problem
from entrypoints.http.request_id import request_id_of

MAX_HEADERS: Final = 64
MAX_URL_BYTES: Final = 4_096
MAX_BODY_BYTES: Final = 65_536

LISTS: Final = frozenset({"type"})
"""The query parameters that may come more than once, as generated clients send a list."""

BODY: Final = "harbor.body"
"""Where the body lies in the scope, read whole."""

WHOLE: Final = "harbor.whole"
"""The body, which the server leaves in the scope of a request that has come to its end, for those
who have not begun to receive it: reading it waits for nothing."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_DISCARDED_BYTES: Final = 16 * 2**20
_DISCARDING_SECONDS: Final = 1.0


class Limits:
    """Reads the body whole into the scope before the application runs, at most MAX_BODY_BYTES as
    received and within `body_seconds`, and refuses a target or headers that no route could mean."""

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            _check_head(scope)
        except Refused as refusal:
            if not any(name == b"expect" for name, _ in scope["headers"]):
                # Who waits for "100 Continue" has not begun to send.
                await _discard_body(receive)
            await _refuse(refusal, scope, receive, send)
        else:
            await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if WHOLE in scope:
                body = await _read_body(receive)
            else:
                async with asyncio.timeout(self._body_seconds):
                    body = await _read_body(receive)
        except Refused as refusal:
            await _refuse(refusal, scope, receive, send)
        except TimeoutError:
            slow = Refused("request_timeout", "The body did not arrive in time.")
            await _refuse(slow, scope, receive, send)
        else:
            if body is not None:
                scope[BODY] = body
                await self._app(scope, receive, send)


async def _discard_body(receive: Receive) -> None:
    """A client that is still sending would see a reset connection instead of the answer: read on
    for a moment."""
    discarded = 0
    try:
        async with asyncio.timeout(_DISCARDING_SECONDS):
            while discarded < _DISCARDED_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


async def _refuse(refusal: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    # Closing the connection spares reading what the client may go on sending.
    response = problem(
        refusal.code,
        refusal.detail,
        request_id=request_id_of(scope),
        headers={"Connection": "close"},
    )
    await response(scope, receive, send)


def _check_head(scope: Scope) -> None:
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS:
        raise Refused("headers_too_large", f"A request has at most {MAX_HEADERS} headers.")
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        raise Refused("uri_too_long", f"An address has at most {MAX_URL_BYTES} bytes.")
    hosts = 0
    length = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            length = max(length, _declared(value))
    if hosts != 1 and scope["http_version"] == "1.1":
        raise Refused("malformed_request", "A request has one Host header (RFC 9112, 3.2).")
    check_target(scope["raw_path"], scope["query_string"])
    if length > MAX_BODY_BYTES:
        raise _too_large()


def check_target(path: bytes, query: bytes) -> None:
    """Path and query percent-decode to UTF-8 without NUL, the path without any control character
    (a route's pattern overlooks a line break at its end), and no parameter comes twice that is not
    a list: what two readers could understand differently is understood by none. Raises Refused."""
    if b"%" in path and _CONTROL.search(_decoded(path)):
        raise Refused("malformed_request", "The path has a control character.")
    if not query:
        return
    names = [_decoded(pair.partition(b"=")[0]) for pair in query.split(b"&") if pair]
    single = [name for name in names if name not in LISTS]
    if len(set(single)) != len(single):
        raise Refused("malformed_request", "A query parameter is given twice.")
    _decoded(query)


def _decoded(part: bytes) -> str:
    raw = unquote_to_bytes(part)
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Refused("malformed_request", "The address is not UTF-8.") from None
    if "\0" in text:
        raise Refused("malformed_request", "The address has a NUL character.")
    return text


def _declared(length: bytes) -> int:
    return int(length) if length.isdigit() and len(length) < len(str(2**63)) else MAX_BODY_BYTES + 1


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None when the client left. Counts what really arrives."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            if more:
                await _discard_body(receive)
            raise _too_large()
        if not more:
            return body


def replaying(body: bytes, receive: Receive) -> Receive:
    """Hands the body over in one message, then listens to the client again."""
    delivered = False

    async def replay() -> Message:
        nonlocal delivered
        if delivered:
            return await receive()
        delivered = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _too_large() -> Refused:
    return Refused("body_too_large", f"A body has at most {MAX_BODY_BYTES} bytes.")
