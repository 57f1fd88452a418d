"""A network that loses answers, in front of the live server."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 30.0
_OUT_OF_ORDER: Final = b"<html><body>Service Unavailable</body></html>"


class Relay(ThreadingHTTPServer):
    """Hands POSTs on to the server at `target`, and hangs up instead of answering the first one
    with an Idempotency-Key; the next for an order gets an answer that is none of Harbor's, as of a
    proxy. `lost` are the keys whose answer was lost."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = urlsplit(target)
        self.lost: set[str] = set()
        self.out_of_order: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Relay

    def do_POST(self) -> None:
        key = self.headers["Idempotency-Key"]
        answer, body = self._answer(self.rfile.read(int(self.headers["Content-Length"])))
        if key not in self.server.lost:
            self.server.lost.add(key)
            return
        if self.path == "/v1/orders" and key not in self.server.out_of_order:
            self.server.out_of_order.add(key)
            self._answer_as_a_proxy()
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"date", "server"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _answer_as_a_proxy(self) -> None:
        self.send_response(503)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_OUT_OF_ORDER)))
        self.end_headers()
        self.wfile.write(_OUT_OF_ORDER)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        target = self.server.target
        connection = http.client.HTTPConnection(
            target.hostname or "", target.port, timeout=_SECONDS
        )
        try:
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()


@contextmanager
def relaying(target: str) -> Iterator[Relay]:
    """On the loopback, on a free port."""
    with Relay(target) as relay:
        thread = Thread(target=relay.serve_forever, daemon=True)
        thread.start()
        yield relay
        relay.shutdown()
        thread.join()
