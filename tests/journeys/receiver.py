"""A partner's webhook receiver: verifies each delivery with the library that partners use, and
answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.serving import serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """One attempt that came in."""

    id: str
    body: bytes
    at: float

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(slots=True)
class Receiver:
    """`answer` says what is answered to an attempt; whatever is not signed as it should be is 400,
    and counted."""

    url: str
    answer: Callable[[Hook], Response] = lambda _: Response(status_code=204)
    secret: str = ""
    delay_seconds: float = 0.0
    hooks: list[Hook] = field(default_factory=list)
    unsigned: int = 0
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except Exception:  # of whatever kind
            self.unsigned += 1
            return Response(status_code=400)
        now = asyncio.get_running_loop().time()
        hook = Hook(id=request.headers["webhook-id"], body=body, at=now)
        self.hooks.append(hook)
        self._came.set()
        await asyncio.sleep(self.delay_seconds)
        return self.answer(hook)

    async def until(self, enough: Callable[[list[Hook]], bool], seconds: float = 20.0) -> None:
        """Wait until what came is enough."""
        async with asyncio.timeout(seconds):
            while not enough(self.hooks):
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """On the loopback, on a free port unless one is given."""
    receiver = Receiver(url="")

    async def receive(request: Request) -> Response:
        return await receiver.receive(request)

    app = Starlette(routes=[Route("/hook", receive, methods=["POST"])])
    async with serving(app, port) as url:
        receiver.url = f"{url}/hook"
        yield receiver
