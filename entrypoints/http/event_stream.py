"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from application.ports.events import EventPage
from application.ports.faults import StorageUnavailable

LEAVE: Final = "harbor.leave"
"""In the scope of an answer without end: an event that is set when the server is told to stop."""

_LONGEST_SECONDS: Final = 900.0
"""The client then comes again, with a key that is looked at again."""
_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    # What is in front of the server would hold back small answers.
    (b"x-accel-buffering", b"no"),
)


class EventStream(Response):
    """Pages as they come, until the client leaves or the server stops; the next one when the client
    has read the one before. A page without events is an `id` alone, which keeps the connection
    alive: no event of the client's, but it goes on from there when it comes again.
    """

    media_type = "text/event-stream"

    def __init__(self, pages: AsyncGenerator[EventPage]) -> None:
        self.status_code = 200
        self.background = None
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leave: asyncio.Event = scope.setdefault(LEAVE, asyncio.Event())
        head = {"type": "http.response.start", "status": 200, "headers": list(_HEADERS)}
        await send(head)
        ends = [asyncio.create_task(_departure(receive)), asyncio.create_task(leave.wait())]
        try:
            # Who came for the head only has left by now: nothing is read for him.
            left, _ = await asyncio.wait(ends, timeout=0)
            if not left:
                ends.append(asyncio.create_task(self._send_pages(send)))
                await asyncio.wait(
                    ends, timeout=_LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
        finally:
            for task in ends:
                task.cancel()
            _, _, *sent = await asyncio.gather(*ends, return_exceptions=True)
            await self._pages.aclose()
        for fault in sent:
            if isinstance(fault, Exception) and not isinstance(fault, StorageUnavailable):
                raise fault
        # The end of a whole answer: the client comes again, and names the last event it has.
        await send({"type": "http.response.body", "body": b""})

    async def _send_pages(self, send: Send) -> None:
        async for page in self._pages:
            chunk = "".join(_lines(page)).encode()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _lines(page: EventPage) -> Iterator[str]:
    """A document is one line: there is no white space in it, and no line break in a string."""
    if not page.items:
        yield f"id: {page.last}\n\n"
    for event in page.items:
        yield f"id: {event.sequence}\nevent: {event.type}\ndata: {event.json}\n\n"
