"""Receives Harbor's webhooks and hands them on, once they are verified."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from threading import Thread

from harbor_payments_client.models import OrderWebhook
from standardwebhooks.webhooks import Webhook

PATIENCE_SECONDS = 30


class Receiver:
    """At `url`; takes what is signed with `secret`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/harbor"
        self.secret = ""
        self._told: Queue[OrderWebhook] = Queue()

    def receive(self, headers: dict[str, str], body: bytes) -> int:
        """The status to answer."""
        try:
            Webhook(self.secret).verify(body, headers)
        except Exception:  # a header that is no base64 raises something else
            return 400
        self._told.put(OrderWebhook.from_dict(json.loads(body)))
        return 204

    def next(self) -> OrderWebhook:
        """The next one that is told."""
        return self._told.get(timeout=PATIENCE_SECONDS)


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.receive(headers, body))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(server.server_port)
        Thread(target=server.serve_forever, daemon=True).start()
        yield receiver
        server.shutdown()
