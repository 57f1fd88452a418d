"""The short way in, for what the layers at the edge would let pass as it is."""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.http.headers import NAMED
from entrypoints.http.limits import (
    BODY,
    MAX_BODY_BYTES,
    MAX_HEADERS,
    MAX_URL_BYTES,
    WHOLE,
    check_target,
)
from entrypoints.http.problems import Refused


class Plain:
    """Leads a request that came whole, and of which Limits and HeadAsGet have nothing to refuse or
    to change, past them to the `inner` application. Any other goes through the `edge`."""

    def __init__(self, inner: ASGIApp, edge: ASGIApp) -> None:
        self._inner = inner
        self._edge = edge

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """What is awaited is the other application's own coroutine."""
        if scope["type"] == "http" and is_plain(scope):
            scope[BODY] = scope[WHOLE]
            return self._inner(scope, receive, send)
        return self._edge(scope, receive, send)


def is_plain(scope: Scope) -> bool:
    """Whether the edge would let it pass as it is. When in doubt, it is not."""
    body, named = scope.get(WHOLE), scope.get(NAMED)
    if body is None or named is None or scope["method"] == "HEAD":
        return False
    path, query = scope["raw_path"], scope["query_string"]
    return (
        len(body) <= MAX_BODY_BYTES
        and len(named) <= MAX_HEADERS
        and len(path) + len(query) <= MAX_URL_BYTES
        and b"host" in named
        and b"expect" not in named
        and _is_good_target(path, query)
    )


def _is_good_target(path: bytes, query: bytes) -> bool:
    try:
        check_target(path, query)
    except Refused:
        return False
    return True
