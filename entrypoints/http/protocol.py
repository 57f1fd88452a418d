"""uvicorn's HTTP protocol with limits on what it would wait for and store for ever.

What is refused here was never a request to the application: the answer is plain text.
"""

import asyncio
from typing import Any, ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from entrypoints.http.deadline import Deadline
from entrypoints.http.event_stream import LEAVE
from entrypoints.http.limits import WHOLE
from entrypoints.http.one_write import OneWrite

MAX_HEAD_BYTES: Final = 16_384
MAX_URL_BYTES: Final = 8_192
"""Twice what is served: who is a little over it is told so by a problem."""

_NOT_IMPLEMENTED: Final = 501


class BoundedHttpProtocol(HttpToolsProtocol):
    """A head has at most MAX_HEAD_BYTES (431), its target MAX_URL_BYTES (414), and `head_seconds`
    from its first byte, or from the connection, to its last (408). Trailers are bounded alike and
    dropped (RFC 9110, 6.5.1); an Upgrade is ignored (7.8), and the request served as it is. Who
    reads nothing for `reading_seconds` of what he is sent is cut off."""

    head_seconds: ClassVar[float] = 10.0
    reading_seconds: ClassVar[float] = 30.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._withheld_bytes = 0
        self._read_bytes = 0
        self._head_bytes_at_most = 0
        self._deadline = Deadline(self.loop)
        self._refusal = 400
        self._refused = False
        self._running: Any = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline.set(self.head_seconds, self._refuse_slow_head)

    def shutdown(self) -> None:
        """The server stops. An answer without end is told to come to one."""
        super().shutdown()
        if self._running is not None:
            # It may only be about to begin an answer without end.
            self._running.scope.setdefault(LEAVE, asyncio.Event()).set()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.stop()
        if self._unread is not None:
            self._unread.cancel()
        # uvicorn tells the newest request only, which may be one that waits behind this one.
        self._disconnect_running()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._in_head and self.cycle.response_complete:
            # The first bytes after an answer are the next head's, even if the parser has not
            # recognised it yet.
            self._begin_head()
        while data:
            data = self._feed(data)
        if self._withheld_bytes > MAX_HEAD_BYTES:
            self._refuse(431)
        elif self._in_head and not self._deadline.is_for(self._refuse_slow_head):
            # A head that came whole is never timed.
            self._deadline.set(self.head_seconds, self._refuse_slow_head)

    def _feed(self, data: bytes) -> bytes:
        """Let the parser read `data`; what it has to be given next, which is mostly nothing."""
        # What the parser has taken in and shown to nobody: an endless field, or a trailer.
        self._withheld_bytes += len(data)
        self._read_bytes = len(data)
        self._head_bytes_at_most += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._withheld_bytes = 0
            self._refuse(self._refusal)
        return b""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()
        self._head_bytes_at_most = self._read_bytes

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._fail(414)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._bound_fields()
        self._withheld_bytes = 0
        self._deadline.clear()
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            # Nobody reads what comes after the body.
            self.headers = []

    def on_body(self, body: bytes) -> None:
        self._withheld_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._withheld_bytes = 0
        self._bound_fields()
        if not self.parser.should_upgrade():
            self.scope[WHOLE] = bytes(self.cycle.body)  # type: ignore[typeddict-unknown-key]
            super().on_message_complete()

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The parser stops behind the head of a request that asks for another protocol, and would
        take its body for the next request. Begin anew with the same head, less the wish."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(_NOT_IMPLEMENTED)
            return b""
        version = self.parser.get_http_version().encode()
        fields = [b"%b: %b\r\n" % field for field in self.headers if field[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(fields))
        self.parser = httptools.HttpRequestParser(self)
        self._begin_head()
        return head + rest

    def _begin_head(self) -> None:
        self._in_head = True
        # Bytes of one read may belong to the message before: they are not held against this one.
        self._withheld_bytes = 0

    def _bound_fields(self) -> None:
        """What comes in many pieces is bounded while it comes, by what is withheld. A field counts
        with the space before its value, which may be missing. All of them are no longer than that
        and what was read since the head began: they are mostly not counted."""
        if (
            self._head_bytes_at_most + len(self.headers) > MAX_HEAD_BYTES
            and sum([len(name) + len(value) + 4 for name, value in self.headers]) > MAX_HEAD_BYTES
        ):
            self._fail(431)

    def _fail(self, status: int) -> None:
        """Make the parser stop."""
        self._refusal = status
        raise ValueError(status)

    def _refuse_slow_head(self) -> None:
        self._refuse(408)

    def on_response_complete(self) -> None:
        """uvicorn's own, but for the timer: one for each request costs more than all the rest."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif not self._in_head:
            self._deadline.set(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        # uvicorn makes its own kind. (A `send` put into it would hold what holds it, and nothing of
        # a request would be freed before the garbage collector comes.)
        cycle.__class__ = OneWrite
        super()._start_asgi_task(cycle, app)

    def _refuse(self, status: int) -> None:
        """End the connection. Requests that came whole before are answered first."""
        self._deadline.stop()
        self._refused = True
        newest: Any = self.cycle
        if self.transport.is_closing():
            return
        if newest is None or newest.response_complete:
            self._answer_plainly(status)
        elif not newest.more_body:
            self._close_after(newest)
        elif newest is not self._running:
            # Its body is what is refused, and it has not begun: forget it.
            self.pipeline.popleft()
            self._close_after(self.pipeline[0][0] if self.pipeline else self._running)
        elif newest.response_started:
            self.transport.close()
        else:
            self._answer_plainly(status)

    def _answer_plainly(self, status: int) -> None:
        self._disconnect_running()
        self.transport.write(
            STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()

    def _close_after(self, cycle: Any) -> None:
        self.cycle = cycle
        cycle.keep_alive = False
        self.flow.pause_reading()

    def _disconnect_running(self) -> None:
        """Who still waits for a body, or answers, is told that nobody is there any more."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
