"""A client of server-sent events, as small as the format."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.journeys.api import Api


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    id: int
    event: str
    document: dict[str, Any]


class StreamEnded(Exception):
    """As the server meant it, after a whole answer."""


class EventSource:
    """A stream that stands. `last_id` is where it goes on after a break: as the standard has it,
    what has no data is no event, but its id counts."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self.last_id: int | None = None
        self._lines = answer.aiter_lines()

    async def next(self, seconds: float = 10.0) -> Received:
        """Raises StreamEnded, TimeoutError."""
        async with asyncio.timeout(seconds):
            members: dict[str, str] = {}
            while True:
                line = await anext(self._lines, None)
                if line is None:
                    raise StreamEnded
                if line:
                    name, _, value = line.partition(": ")
                    members[name] = value
                    continue
                if "id" in members:
                    self.last_id = int(members["id"])
                if "data" in members:
                    return Received(
                        id=int(members["id"]),
                        event=members["event"],
                        document=json.loads(members["data"]),
                    )
                members = {}

    async def drain(self) -> None:
        """Read on to the end. Raises StreamEnded, TimeoutError."""
        while True:
            await self.next()


@asynccontextmanager
async def following(api: Api, query: str = "", **headers: str) -> AsyncGenerator[EventSource]:
    named = api.bearer | {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/v1/events/stream{query}"
    async with api.client.stream("GET", path, headers=named, timeout=None) as answer:
        yield EventSource(answer)
