"""Connections that go only where the guard lets them. Imports aiohttp."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from ssl import SSLContext
from typing import Final

from aiohttp import ClientSession, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from adapters.http_client import answer_to, read_beginning, session_over
from adapters.webhooks.guard import AddressRefused, Guard

MAX_ANSWER_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`body` is its beginning, at most MAX_ANSWER_BYTES."""

    status: int
    body: bytes
    retry_after: str | None


async def post(
    guard: Guard, url: str, *, content: bytes, headers: Mapping[str, str], tls: SSLContext | None
) -> Answer:
    """The answer to one request on a connection of its own.

    Raises AddressRefused, aiohttp.ClientError, OSError.
    """
    async with (
        _session(guard, tls) as session,
        answer_to(session, "POST", url, content=content, headers=headers) as response,
    ):
        return Answer(
            status=response.status,
            body=await read_beginning(response, MAX_ANSWER_BYTES),
            retry_after=response.headers.get("Retry-After"),
        )


@asynccontextmanager
async def _session(guard: Guard, tls: SSLContext | None) -> AsyncIterator[ClientSession]:
    opened: list[socket.socket] = []

    def open_socket(place: AddrInfoType) -> socket.socket:
        # Every connection begins here, also to a host that aiohttp takes for an address and never
        # asks the resolver about.
        family, kind, protocol, _, address = place
        if not guard.admits(str(address[0])):
            raise AddressRefused("No webhook may go to this address.")
        opened.append(socket.socket(family, kind, protocol))
        return opened[-1]

    connector = TCPConnector(
        resolver=_GuardedResolver(guard),
        socket_factory=open_socket,
        use_dns_cache=False,
        force_close=True,
        ssl=True if tls is None else tls,
    )
    try:
        async with session_over(connector, headers={}) as session:
            yield session
    finally:
        # A receiver that never says goodbye in TLS would keep the connection for half a minute.
        for one in opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _GuardedResolver(AbstractResolver):
    """Raises AddressRefused, OSError."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [_result(host, address, port) for address in await self._guard.addresses(host)]

    async def close(self) -> None:
        """It holds nothing."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    is_ipv4 = isinstance(ip_address(address), IPv4Address)
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET if is_ipv4 else socket.AF_INET6,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
