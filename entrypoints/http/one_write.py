"""An answer's head and body in one write: on a loopback or a fast network, the second system call
costs more than everything else uvicorn does to send."""

from typing import Any, Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_OF_THE_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})
_WITHOUT_BODY: Final = frozenset({204, 304})


class OneWrite:
    """Stands in for the `send` of one uvicorn cycle. Holds the head back until the body comes;
    whatever is not a whole answer of known length goes uvicorn's way."""

    __slots__ = ("_cycle", "_head", "_send")

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not self._cycle.response_started:
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            answer = self._whole(head, message)
            if answer is not None:
                self._write(answer)
                return
            await self._send(head)
        await self._send(message)

    def _whole(self, head: Message, message: Message) -> bytes | None:
        """The answer's bytes; None when it is not plain."""
        cycle = self._cycle
        plain = (
            cycle.keep_alive
            and not cycle.disconnected
            and not cycle.flow.write_paused
            and not message.get("more_body", False)
            and cycle.scope["method"] != "HEAD"
            and head["status"] not in _WITHOUT_BODY
        )
        return _rendered(head, cycle.default_headers, message["body"]) if plain else None

    def _write(self, answer: bytes) -> None:
        """What uvicorn's own `send` does at the end of an answer."""
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(answer)
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()


def _rendered(head: Message, defaults: list[tuple[bytes, bytes]], body: bytes) -> bytes | None:
    """None when the body's length is not said or wrong, or a header is not for us to send."""
    headers = [*defaults, *head["headers"]]
    if (b"content-length", b"%d" % len(body)) not in headers:
        return None
    if any(name in _OF_THE_CONNECTION for name, _ in headers):
        return None
    fields = b"".join([b"%b: %b\r\n" % header for header in headers])
    if fields.count(b"\n") != len(headers) or fields.count(b"\r") != len(headers):
        # A line break in a header would begin another one: uvicorn refuses it.
        return None
    return b"%b%b\r\n%b" % (STATUS_LINE[head["status"]], fields, body)
