"""An answer's head and body in one write: on a loopback or a fast network, the second system call
costs more than everything else uvicorn does to send."""

from typing import Any, Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

_OF_THE_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})
_WITHOUT_BODY: Final = frozenset({204, 304})


class OneWrite:
    """Stands in for the `send` of one uvicorn cycle. Holds back a head that says the body's length
    until the body comes; whatever is not a whole answer of that length goes uvicorn's way."""

    __slots__ = ("_cycle", "_head", "_send")

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        head, self._head = self._head, None
        if message["type"] == "http.response.start":
            # In the place of a head that was held back, if there was one: it was never sent.
            if self._may_wait(message):
                self._head = message
                return
        elif head is not None:
            answer = self._whole(head, message)
            if answer is not None:
                self._write(answer)
                return
            await self._send(head)
        await self._send(message)

    def _may_wait(self, head: Message) -> bool:
        """The head of a stream has no length: it must not wait for the stream's first piece."""
        has_length = b"content-length" in [name for name, _ in head.get("headers", ())]
        return has_length and not self._cycle.response_started

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
        return _rendered(head, cycle.default_headers, message.get("body", b"")) if plain else None

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
    """None when the body has another length than was said, or a header is not for us to send."""
    headers = [*defaults, *head["headers"]]
    names = [name for name, _ in headers]
    if names.count(b"content-length") > 1 or not _OF_THE_CONNECTION.isdisjoint(names):
        return None
    if (b"content-length", b"%d" % len(body)) not in headers:
        return None
    fields = b"\r\n".join(map(b": ".join, headers))
    if fields.count(b"\n") >= len(headers) or fields.count(b"\r") >= len(headers):
        # A line break in a header would begin another one: uvicorn refuses it.
        return None
    return b"%b%b\r\n\r\n%b" % (STATUS_LINE[head["status"]], fields, body)
