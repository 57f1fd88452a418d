"""HTTP as bytes: what no client library would send."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from application.json_text import render
from tests.journeys.server import HarborServer

ANSWER_SECONDS = 20.0
_BODYLESS = (204, 304)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class RawConnection:
    """A TCP connection to the server. Every wait has an end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Raises ConnectionError when the server has closed."""
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, *, to_head: bool = False) -> RawAnswer:
        """The next answer. Raises EOFError when the server closes without one."""
        async with asyncio.timeout(ANSWER_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            status = int(first.split(" ")[1])
            length = int(headers.get("content-length", "0"))
            has_body = not to_head and status >= 200 and status not in _BODYLESS
            body = await self._reader.readexactly(length) if has_body else b""
        return RawAnswer(status=status, headers=headers, body=body)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.read()

    async def is_closed(self) -> bool:
        """Waits until the server closes, saying nothing more."""
        try:
            return await self.rest() == b""
        except ConnectionError:
            return True

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Leave without a word: a reset."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(server: HarborServer) -> AsyncIterator[RawConnection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    connection = RawConnection(reader, writer)
    try:
        yield connection
    finally:
        await connection.close()


async def exchange(server: HarborServer, data: bytes) -> RawAnswer:
    """Send all of `data` on a connection of its own and read one answer."""
    async with connected(server) as connection:
        with contextlib.suppress(ConnectionError):
            await connection.send(data)
        return await connection.answer()


def request(
    method: str,
    target: str | bytes,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    *,
    version: str = "1.1",
) -> bytes:
    """One request; Content-Length is added where there is a body."""
    path = target if isinstance(target, bytes) else target.encode("latin-1")
    lines = [method.encode() + b" " + path + f" HTTP/{version}".encode(), b"Host: harbor"]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in (headers or {}).items()]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])


def post_order(api_key: str, key: str, order: Mapping[str, Any], **headers: str) -> bytes:
    """The request that places an order."""
    own = {
        "Authorization": f"Bearer {api_key}",
        "Idempotency-Key": key,
        "Content-Type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return request("POST", "/v1/orders", own, render(order))
