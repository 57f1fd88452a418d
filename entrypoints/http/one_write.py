"""An answer's head and body in one write: on a loopback or a fast network, the second system call
costs more than everything else uvicorn does to send."""

from typing import Any, Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_OF_THE_CONNECTION: Final = frozenset({b"connection", b"transfer-encoding"})


class OneWrite(RequestResponseCycle):
    """What uvicorn's own cycle is made into before it runs. Holds back a head that says the body's
    length until the body comes; whatever is not a whole answer of that length goes uvicorn's way.
    """

    _head: Any = None
    """The head that is held back, if there is one."""
    _named: dict[bytes, bytes]
    """The headers of the latest head."""

    async def send(self, message: Any) -> None:
        head, self._head = self._head, None
        if message["type"] == "http.response.start":
            # In the place of a head that was held back, if there was one: it was never sent.
            self._named = dict(message.get("headers", ()))
            # The head of a stream has no length: it must not wait for the stream's first piece.
            if b"content-length" in self._named and not self.response_started:
                self._head = message
                return
        elif head is not None:
            answer = self._whole(head, message)
            if answer is not None:
                self._write(answer)
                return
            await super().send(head)
        await super().send(message)

    def _whole(self, head: Message, message: Message) -> bytes | None:
        """The answer's bytes; None when it is not plain."""
        named, body = self._named, message.get("body", b"")
        plain = (
            self.keep_alive
            and not self.disconnected
            and not self.flow.write_paused
            and not message.get("more_body", False)
            and self.scope["method"] != "HEAD"
            and named[b"content-length"] == b"%d" % len(body)
            # No header comes twice (of two, `named` has one), and none is uvicorn's to act on.
            and len(named) == len(head["headers"])
            and _OF_THE_CONNECTION.isdisjoint(named)
        )
        return _rendered(head, self.default_headers, body) if plain else None

    def _write(self, answer: bytes) -> None:
        """What uvicorn's own `send` does at the end of an answer."""
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(answer)
        self.response_complete = True
        self.message_event.set()
        self.on_response()


def _rendered(head: Message, defaults: list[tuple[bytes, bytes]], body: bytes) -> bytes | None:
    """None when a line break in a header would begin another one: uvicorn refuses it. (It looks for
    other control characters too. None gets here: the parser has let none in.)"""
    headers = [*defaults, *head["headers"]]
    fields = b"\r\n".join(map(b": ".join, headers))
    if fields.count(b"\n") >= len(headers) or fields.count(b"\r") >= len(headers):
        return None
    return b"%b%b\r\n\r\n%b" % (STATUS_LINE[head["status"]], fields, body)
