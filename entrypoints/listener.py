"""A webhook receiver to see things work with: verifies what arrives, and says so."""

import asyncio
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from starlette.types import Receive, Scope, Send

from domain.webhook_signature import is_signed

_OLDEST_SECONDS: Final = 300
"""Of a timestamp, as Standard Webhooks advises."""
_MAX_BODY_BYTES: Final = 1_048_576


class Listener:
    """An ASGI application. `secret` is known once the endpoint is registered; `tell` is given one
    line for each attempt that arrives."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.secret = ""
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more and len(body) <= _MAX_BODY_BYTES:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        problem = self._problem(dict(scope["headers"]), body)
        self._tell(f"REFUSED  {problem}" if problem else f"ok       {_summary(body)}")
        status = 400 if problem else 204
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def _problem(self, headers: dict[bytes, bytes], body: bytes) -> str | None:
        """Why what arrived is not to be trusted."""
        try:
            message_id = headers[b"webhook-id"].decode("ascii")
            timestamp = int(headers[b"webhook-timestamp"])
            signatures = headers[b"webhook-signature"].decode("latin-1")
        except (KeyError, ValueError):
            return "it has not the headers of a webhook"
        if abs(time.time() - timestamp) > _OLDEST_SECONDS:
            return "its timestamp is too old, or a clock is wrong"
        if not is_signed(self.secret, message_id, timestamp, body, signatures):
            return "its signature is not of this endpoint's secret"
        return None


class ListeningServer(uvicorn.Server):
    """Stops at the first signal, and leaves the rest to who runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self.should_exit = True


def listening_server(listener: Listener, port: int) -> tuple[ListeningServer, socket.socket, str]:
    """The server, the socket that it is to serve, and its URL. Raises OSError."""
    bound = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        listener,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    return ListeningServer(config), bound, "http://{}:{}/".format(*bound.getsockname())


def _summary(body: bytes) -> str:
    """One line for a person."""
    event: dict[str, Any] = json.loads(body)
    about = "  ".join(
        f"{name} {document['id']} {document['status']}" for name, document in event["data"].items()
    )
    return f"{event['timestamp']}  {event['sequence']:>5}  {event['type']:26}  {about}"
