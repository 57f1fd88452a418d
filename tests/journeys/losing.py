"""A line to Harbor on which answers get lost, the way they do between two companies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto

import aiohttp
from aiohttp import web


class Fate(Enum):
    """What becomes of a request; the next ones pass."""

    UNSENT = auto()
    """The connection breaks before Harbor hears of it."""
    UNANSWERED = auto()
    """Harbor carries it out, and the connection breaks before the answer."""
    HELD = auto()
    """Harbor carries it out, and the answer does not come for as long as it is waited for."""
    BUSY = auto()
    """Something on the way says 503, and to come again in a second."""


@dataclass(slots=True)
class Line:
    """`requests` are those that came: when, by the loop's clock, with which key and body."""

    fates: list[Fate]
    url: str = ""
    requests: list[tuple[float, str, bytes]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Something was carried out and its answer is being held."""


@asynccontextmanager
async def losing(to: str, *fates: Fate) -> AsyncIterator[Line]:
    """Stands before the server at the address `to`."""
    line = Line(list(fates))
    async with aiohttp.ClientSession(to) as client:

        async def handle(request: web.Request) -> web.StreamResponse:
            return await _pass(line, client, request)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            line.url = f"http://{host}:{port}"
            yield line
        finally:
            await runner.cleanup()


async def _pass(
    line: Line, client: aiohttp.ClientSession, request: web.Request
) -> web.StreamResponse:
    body = await request.read()
    now = asyncio.get_running_loop().time()
    line.requests.append((now, request.headers.get("Idempotency-Key", ""), body))
    fate = line.fates.pop(0) if line.fates else None
    if fate is Fate.UNSENT:
        return _broken(request)
    if fate is Fate.BUSY:
        return web.Response(status=503, headers={"Retry-After": "1"}, text="<h1>Busy</h1>")
    headers = {
        name: request.headers[name]
        for name in ("Authorization", "Content-Type", "Idempotency-Key")
        if name in request.headers
    }
    async with client.request(
        request.method, request.rel_url, data=body or None, headers=headers
    ) as answer:
        content = await answer.read()
    if fate is Fate.UNANSWERED:
        return _broken(request)
    if fate is Fate.HELD:
        line.arrived.set()
        await asyncio.Event().wait()
    return web.Response(
        status=answer.status, body=content, headers={"Content-Type": answer.content_type}
    )


def _broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
