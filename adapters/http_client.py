"""Outgoing HTTP, for the adapters that ask somebody: no redirects, no proxies, no cookies, nothing
unpacked, and never more of an answer than was meant to be read."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

_IDLE_SECONDS: Final = 4.0
"""Shorter than a server leaves an idle connection open: none is used that it has just closed."""
_CHUNK_BYTES: Final = 65_536


def http_session(*, connections: int, headers: Mapping[str, str]) -> ClientSession:
    """At most `connections` requests at once; who comes beyond waits. How long all of it may take
    is the caller's to bound."""
    return session_over(
        TCPConnector(limit=connections, keepalive_timeout=_IDLE_SECONDS), headers=headers
    )


def session_over(connector: TCPConnector, *, headers: Mapping[str, str]) -> ClientSession:
    """The same over connections of the caller's making; closing it closes them."""
    return ClientSession(
        connector=connector,
        timeout=ClientTimeout(total=None),
        # What is packed could be of any size once it is unpacked.
        headers={"Accept-Encoding": "identity", **headers},
        auto_decompress=False,
        cookie_jar=DummyCookieJar(),
        trust_env=False,
    )


@asynccontextmanager
async def answer_to(
    session: ClientSession,
    method: str,
    url: str,
    *,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[ClientResponse]:
    """The answer to one request, its body still to be read. `url` is sent as it is.

    Raises aiohttp.ClientError, OSError.
    """
    async with session.request(
        method,
        URL(url, encoded=True),
        data=content,
        headers=headers,
        allow_redirects=False,
    ) as response:
        yield response


async def read_at_most(response: ClientResponse, most: int) -> bytes | None:
    """The body as it came; None when there is more of it."""
    body = await read_beginning(response, most + 1)
    return body if len(body) <= most else None


async def read_beginning(response: ClientResponse, most: int) -> bytes:
    """The first `most` bytes of the body as it came, or all of it if that is less."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) >= most:
            # What is not read would be, if the connection were kept.
            response.close()
            break
    return bytes(body[:most])
