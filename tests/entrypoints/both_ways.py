"""Two applications that differ in one thing: whether requests may go the short way."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest
from dependency_injector.providers import Object
from pydantic import SecretStr
from starlette.types import Message, Scope

from entrypoints.container import Container, shut_down
from entrypoints.http.app import create_app
from entrypoints.http.direct import DIRECT
from entrypoints.http.limits import WHOLE
from entrypoints.settings import Settings
from tests.databases import SqliteDatabases
from tests.fakes import FakeClock, FakeIds
from tests.journeys.server import SECRET

SHOP = "https://shop.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request as it comes from the wire; `target` is percent-encoded."""

    method: str = "GET"
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    pieces: int = 1
    """In how many messages the body arrives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """All that the outside world sees of an answer, and the log."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    logged: Sequence[Mapping[str, object]]
    direct: bool = field(compare=False)

    def header(self, name: str) -> str:
        return dict(self.headers)[name.encode()].decode()


class Way:
    """One application with a database, a clock and identities of its own."""

    def __init__(self, container: Container, *, direct: bool) -> None:
        self.container = container
        self.app = create_app(container, direct=direct)

    async def tell(self, ask: Ask, caplog: pytest.LogCaptureFixture) -> Told:
        # What is noted beside a request must not depend on who is quicker.
        await self.container.api_keys().drain()
        sent: list[Message] = []
        incoming = _messages(ask)

        async def receive() -> Message:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = _scope(ask)
        if ask.pieces == 1:
            scope[WHOLE] = ask.body
        caplog.clear()
        await self.app(scope, receive, send)
        start, *rest = sent
        return Told(
            status=start["status"],
            headers=start["headers"],
            body=b"".join(message.get("body", b"") for message in rest),
            logged=[_said(record) for record in caplog.records if _is_ours(record)],
            direct=DIRECT in scope,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BothWays:
    """Ask both, and compare. `keys` are the API keys of two merchants."""

    short: Way
    ordinary: Way
    keys: tuple[str, str]
    caplog: pytest.LogCaptureFixture

    async def ask(self, method: str, target: str, *headers: tuple[str, str], **how: Any) -> Told:
        """With the first merchant's API key, unless there is another one among the headers."""
        named = {name.lower() for name, _ in headers}
        own = [] if "authorization" in named else [("Authorization", f"Bearer {self.keys[0]}")]
        asked = Ask(method=method, target=target, headers=[*own, *headers], **how)
        return await self.ask_exactly(asked)

    async def ask_exactly(self, asked: Ask) -> Told:
        short = await self.short.tell(asked, self.caplog)
        ordinary = await self.ordinary.tell(asked, self.caplog)
        assert short == ordinary, asked
        assert not ordinary.direct
        return short

    def use(self, name: str, use_case: object) -> None:
        """Put something else in a use case's place, for both."""
        for way in (self.short, self.ordinary):
            getattr(way.container, name).override(Object(use_case))

    def advance(self, by: Any) -> None:
        for way in (self.short, self.ordinary):
            clock = way.container.clock()
            assert isinstance(clock, FakeClock)
            clock.advance(by)


@asynccontextmanager
async def both_ways(
    databases: SqliteDatabases, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[BothWays]:
    caplog.set_level(logging.INFO, "harbor")
    async with databases.fresh() as one, databases.fresh() as other:
        short, keys = await _way(one, direct=True)
        ordinary, same_keys = await _way(other, direct=False)
        assert keys == same_keys
        try:
            yield BothWays(short=short, ordinary=ordinary, keys=keys, caplog=caplog)
        finally:
            await asyncio.gather(shut_down(short.container), shut_down(ordinary.container))


async def _way(database_url: str, *, direct: bool) -> tuple[Way, tuple[str, str]]:
    settings = Settings.model_construct(
        database_url=database_url, secret_key=SecretStr(SECRET), cors_origins=(SHOP,)
    )
    container = Container(settings=settings)
    container.clock.override(Object(FakeClock()))
    container.ids.override(Object(FakeIds()))
    texts = [(await container.create_merchant()(name)).first_key.text for name in ("Acme", "Other")]
    return Way(container, direct=direct), (texts[0], texts[1])


def _messages(ask: Ask) -> list[Message]:
    size = -(-len(ask.body) // ask.pieces) or 1
    chunks = [ask.body[start : start + size] for start in range(0, len(ask.body), size)] or [b""]
    return [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}
        for place, chunk in enumerate(chunks, start=1)
    ]


def _scope(ask: Ask) -> Scope:
    """As uvicorn makes it."""
    path, _, query = ask.target.partition("?")
    headers = [("Host", "harbor"), *ask.headers]
    if ask.body:
        headers.append(("Content-Length", str(len(ask.body))))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("harbor", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "method": ask.method,
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "headers": [
            (name.lower().encode(), value.strip(" \t").encode("latin-1")) for name, value in headers
        ],
        "state": {},
    }


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.startswith("harbor")


def _said(record: logging.LogRecord) -> dict[str, object]:
    names = ("method", "route", "status", "request_id", "merchant_id")
    beside = {name: vars(record).get(name) for name in names}
    return {"message": record.getMessage(), "level": record.levelname, **beside}
