"""uvicorn's HTTP protocol with limits on the head, which uvicorn would wait for and store for ever.

What is refused here was never a request to the application: the answer is plain text.
"""

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

MAX_HEAD_BYTES: Final = 16_384
MAX_URL_BYTES: Final = 4_096


class BoundedHttpProtocol(HttpToolsProtocol):
    """A head has at most MAX_HEAD_BYTES (431), its target MAX_URL_BYTES (414), and `head_seconds`
    from its first byte, or from the connection, to its last (408)."""

    head_seconds: ClassVar[float] = 10.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._field_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._refusal = 400

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_head and self.cycle.response_complete:
            # The first bytes after an answer are the next head's, even if the parser has not
            # recognised it yet.
            self._begin_head()
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            # Fields that are not complete have not been counted one by one.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._fail(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > MAX_HEAD_BYTES:
            self._fail(431)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's name for the answer to whatever its parser refuses."""
        self._refuse(self._refusal)

    def _begin_head(self) -> None:
        self._in_head = True
        self._head_bytes = 0
        self._field_bytes = 0
        if self._head_timer is None:
            self._start_head_timer()

    def _fail(self, status: int) -> None:
        """Make the parser stop; uvicorn then asks for the answer."""
        self._refusal = status
        raise ValueError(status)

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self._refuse, 408)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int) -> None:
        self._stop_head_timer()
        if self.transport.is_closing():
            return
        answering = self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]
        if not answering:
            self.transport.write(
                STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()
