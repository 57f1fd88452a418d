"""One request at the kit's door: carried out as often as it is wanted, answered as it is wanted."""

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.limits import MAX_BODY_BYTES, WHOLE
from entrypoints.http.problems import MEDIA_TYPE
from entrypoints.http.protocol import BoundedHttpProtocol

CONNECTION: Final = "harbor.conformance.connection"
"""Where the connection lies in the scope."""


class CuttableProtocol(BoundedHttpProtocol):
    """The product's protocol, whose connections the application may cut."""

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.scope[CONNECTION] = self.transport
        super()._start_asgi_task(cycle, app)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def retry_after(self) -> int | None:
        """In seconds."""
        named = dict(self.headers).get(b"retry-after")
        return None if named is None else int(named)

    @property
    def code(self) -> str | None:
        """Of a problem."""
        if dict(self.headers).get(b"content-type") != MEDIA_TYPE.encode():
            return None
        code: str = json.loads(self.body)["code"]
        return code


class Gone(Exception):
    """The client left before its request was whole."""


class Visit:
    """`read` comes first, `give`, `give_half` or `cut` last."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.body = b""
        self._receive = receive
        self._send = send
        self._came: list[Message] = []
        self._is_whole = False

    async def read(self) -> None:
        """Read the body, and of one that is too large only as much as is needed to see that.
        Raises Gone."""
        while not self._is_whole and len(self.body) <= MAX_BODY_BYTES:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            self._came.append(message)
            self.body += message.get("body", b"")
            self._is_whole = not message.get("more_body", False)

    async def carry_out(self, app: ASGIApp) -> Answer:
        """What the application answers; nobody has seen it yet. Raises Gone."""
        came = deque(self._came)
        said: list[Message] = []

        async def replay() -> Message:
            return came.popleft() if came else await self._receive()

        async def keep(message: Message) -> None:
            said.append(message)

        # A copy each time, for the application notes things in it. What the server has left there
        # as the whole body may be only what was not read yet.
        scope = {name: value for name, value in self.scope.items() if name != WHOLE}
        if self._is_whole:
            scope[WHOLE] = self.body
        await app(scope, replay, keep)
        if not said:
            raise Gone
        start, *rest = said
        return Answer(
            status=start["status"],
            headers=tuple(start["headers"]),
            body=b"".join(message.get("body", b"") for message in rest),
        )

    async def give(self, answer: Answer) -> Answer | None:
        """The answer; None if there was nobody left to give it to."""
        if self._connection.is_closing():
            await self._left()
            return None
        await self._begin(answer)
        await self._send({"type": "http.response.body", "body": answer.body})
        return answer

    async def give_half(self, answer: Answer) -> None:
        if not self._connection.is_closing():
            half = answer.body[: len(answer.body) // 2]
            await self._begin(answer)
            await self._send({"type": "http.response.body", "body": half, "more_body": True})
            # Unlike a cut, this sends what was written.
            self._connection.close()
        await self._left()

    async def cut(self) -> None:
        self._connection.abort()
        await self._left()

    async def linger(self, seconds: float, over: asyncio.Event) -> None:
        """Keep the client waiting, until it leaves or all is `over`."""
        waiting = [asyncio.create_task(self._left()), asyncio.create_task(_set(over))]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    @property
    def _connection(self) -> asyncio.Transport:
        connection: asyncio.Transport = self.scope[CONNECTION]
        return connection

    async def _begin(self, answer: Answer) -> None:
        headers = list(answer.headers)
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )

    async def _left(self) -> None:
        """The server learns of it before the application ends: else it would answer for it."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def _set(event: asyncio.Event) -> None:
    await event.wait()
