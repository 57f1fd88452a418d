"""Servers that webhooks are sent to: a good one, hostile ones, and one that only counts."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.serving import serving

LOOPBACKS = ("127.0.0.1", "127.0.0.2", "127.255.255.254", "::1")

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Receiver:
    """Answers each request alike and keeps what it was sent."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    callers: set[tuple[str, int]] = field(default_factory=set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, is_more = b"", True
        while is_more:
            message = await receive()
            body, is_more = body + message.get("body", b""), message.get("more_body", False)
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        assert len(headers) == len(dict(headers)), "no header comes twice"
        self.received.append((dict(headers), body))
        self.paths.append((scope["raw_path"] + b"?" + scope["query_string"]).decode())
        self.callers.add(scope["client"])
        answer = [(name.encode(), value.encode()) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": answer})
        await send({"type": "http.response.body", "body": self.body})


@asynccontextmanager
async def receiving(receiver: Receiver) -> AsyncIterator[Receiver]:
    async with serving(receiver) as receiver.url:
        yield receiver


@asynccontextmanager
async def raw_server(
    handle: Handler, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """The port of a server that does with each connection what it likes. Nobody who
    connects may still be there at its end."""
    ended: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.append(task)
        try:
            # Whoever is sent to may hang up in the middle.
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await handle(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*ended), 10)


def answering(answer: bytes) -> Handler:
    """Reads the request's head and sends these bytes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handle


class Listener:
    """Counts who connects to a port on this machine's loopback."""

    def __init__(self) -> None:
        self.port = 0
        self.heard = 0
        self._places: list[str] = []
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Listener"]:
        servers = [await asyncio.start_server(self._hear, "127.0.0.1", 0)]
        self.port = servers[0].sockets[0].getsockname()[1]
        self._places = [LOOPBACKS[0]]
        for place in LOOPBACKS[1:]:
            # Not every machine has them all.
            with suppress(OSError):
                servers.append(await asyncio.start_server(self._hear, place, self.port))
                self._places.append(place)
        try:
            yield self
        finally:
            for server in servers:
                server.close()
                await server.wait_closed()

    async def hears_nobody(self) -> bool:
        """Connections are accepted in their order: once it has heard us, it has heard all who came
        before, on each of its addresses."""
        before = self.heard
        for place in self._places:
            with socket.create_connection((place, self.port)):
                await self._until(before + 1 + self._places.index(place))
        return before == 0 and self.heard == len(self._places)

    async def _until(self, count: int) -> None:
        while self.heard < count:
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), 10)

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard += 1
        self._changed.set()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@dataclass(frozen=True)
class Certificate:
    server: ssl.SSLContext
    trusting: ssl.SSLContext
    """For a client to whom the certificate is an authority."""


def self_signed(folder: Path, names: Sequence[str]) -> Certificate:
    """A certificate for DNS names and addresses that nobody but `trusting` trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Harbor's test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return Certificate(server=server, trusting=ssl.create_default_context(cafile=file))


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)
