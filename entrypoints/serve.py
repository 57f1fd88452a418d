"""Serving the API: the socket, the embedded default's first start, the server processes."""

import asyncio
import logging
import os
import socket
from dataclasses import dataclass
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from application.create_merchant import CreatedMerchant
from entrypoints.container import Container, shut_down
from entrypoints.http.app import create_app
from entrypoints.http.protocol import BoundedHttpProtocol
from entrypoints.logs import configure_logs
from entrypoints.settings import Settings, load_settings

_BACKLOG: Final = 2_048
_KEEP_ALIVE_SECONDS: Final = 75
_FOR_ANSWERS: Final = 0.8
"""The part of a stop's time in which requests are still answered."""
_WORKER_SWITCH: Final = "_HARBOR_RUN_WORKER"
"""How the parent tells its server processes whether to run the worker."""

_log = logging.getLogger("harbor.serve")


class ServeError(Exception):
    """The server cannot start. The message is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    host: str
    port: int
    processes: int
    run_worker: bool


def serve(settings: Settings, options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was accepted and stop.

    Raises ServeError.
    """
    if options.processes > 1 and settings.database_kind == "sqlite":
        raise ServeError("--workers above 1 needs PostgreSQL: set HARBOR_DATABASE_URL")
    listener = listen(options.host, options.port)
    address = address_of(listener)
    if settings.is_embedded:
        _greet(asyncio.run(_prepare_embedded(settings)), address)
    os.environ[_WORKER_SWITCH] = "1" if options.run_worker else ""
    config = _server_config(settings, options.processes)
    _log.info("serving", extra={"address": address, "processes": options.processes})
    if options.processes > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])


def serve_gateway(settings: Settings, *, host: str, port: int) -> None:
    """Serve the simulated gateway until SIGINT or SIGTERM. Raises ServeError."""
    listener = listen(host, port)
    config = uvicorn.Config(
        Container(settings=settings).gateway_app(),
        http=BoundedHttpProtocol,
        interface="asgi3",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        # Who waits for an answer that never comes is not waited for.
        timeout_graceful_shutdown=1,
    )
    _log.info("serving", extra={"address": address_of(listener)})
    uvicorn.Server(config).run(sockets=[listener])


def application() -> object:
    """The ASGI application of one server process; uvicorn calls it."""
    settings = load_settings()
    configure_logs(settings.effective_log_format)
    BoundedHttpProtocol.head_seconds = settings.head_seconds
    container = Container(settings=settings)
    return create_app(container, run_worker=bool(os.environ.get(_WORKER_SWITCH))).layers


def _server_config(settings: Settings, processes: int) -> uvicorn.Config:
    return uvicorn.Config(
        "entrypoints.serve:application",
        factory=True,
        interface="asgi3",
        workers=processes,
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        # uvicorn takes whole seconds; shut_down has the rest.
        timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds * _FOR_ANSWERS)),
    )


def listen(host: str, port: int) -> socket.socket:
    """Bound before anything else is done, so that a port in use leaves nothing half-made; what
    connects from now on waits for the server."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Named, for asyncio's own loop sends small answers at once only where it reads TCP here.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "not a usable address"
        raise ServeError(f"cannot listen on {host}:{port}: {reason}") from error
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _prepare_embedded(settings: Settings) -> CreatedMerchant | None:
    """Migrate, and make the demo merchant when there is no merchant yet."""
    container = Container(settings=settings)
    try:
        await container.migrate()
        return await container.create_merchant().first("Demo")
    finally:
        await shut_down(container)


def _greet(demo: CreatedMerchant | None, address: str) -> None:
    """Plainly, to standard output: this is for the person who started it."""
    lines = [f"Harbor listens on {address}", f"Docs: {address}/docs"]
    if demo is None:
        lines.append("Lost the API key? `.venv/bin/harbor merchant create NAME` gives a new one.")
    else:
        lines += [
            "",
            f"A demo merchant was made. Its API key is shown this once: {demo.first_key.text}",
            "",
            "Place an order (run it twice: the second answer is the first again):",
            "",
            _curl(address, demo.first_key.text),
            "See what it is told as a partner would, signed and verified:",
            "",
            f".venv/bin/harbor webhook listen {demo.merchant.id}",
        ]
    print("\n".join(lines), flush=True)  # noqa: T201


def _curl(address: str, api_key: str) -> str:
    return f"""\
curl -i {address}/v1/orders \\
  -H 'Authorization: Bearer {api_key}' \\
  -H 'Idempotency-Key: my-first-order' \\
  -H 'Content-Type: application/json' \\
  -d '{{"customer_id": "cus_42", "amount_cents": 1999, "currency": "EUR"}}'
"""
