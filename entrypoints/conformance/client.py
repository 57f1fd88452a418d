"""Examines a partner's client: a Harbor of its own that misbehaves, and what the client made of it.

The application is the product's, on an embedded database that is thrown away afterwards: that there
is one order for each key is no pretence.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Final
from uuid import UUID

import uvicorn
from pydantic import SecretStr

from application.create_merchant import CreatedMerchant
from application.pages import Page
from application.ports.orders import ListedOrder, OrderFilter
from entrypoints.conformance.attempts import Desk
from entrypoints.conformance.client_judge import judge, said_of
from entrypoints.conformance.commands import run_command
from entrypoints.conformance.faults import Faults
from entrypoints.conformance.report import Report
from entrypoints.conformance.scenarios import Scenario
from entrypoints.conformance.stops import Stopped, Stops, heeding_signals
from entrypoints.conformance.visit import CuttableProtocol
from entrypoints.container import Container, shut_down
from entrypoints.http.app import create_app
from entrypoints.serve import address_of, listen
from entrypoints.settings import Settings

WATCHED_SECONDS: Final = 2.0
"""After the last answer, lest the client comes again although it need not."""

_COUNTED: Final = 100
_BY_HAND: Final = "The run was stopped before every order was answered for good."


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """`plan` has the scenario of each invoice. `pause_seconds` is what Retry-After says,
    `slow_seconds` how late a slow answer is, `run_seconds` how long all of it may take. With a
    `command` the run ends when that does."""

    host: str
    port: int
    plan: Mapping[str, Scenario]
    pause_seconds: int
    slow_seconds: float
    run_seconds: float
    command: str | None


async def examine_client(options: ClientOptions, tell: Callable[[str], None]) -> Report:
    """The report, when the client is through, when the time is up or at a signal. `tell` is given
    what the partner has to know to begin. Raises ServeError."""
    listener = listen(options.host, options.port)
    with heeding_signals() as stops, TemporaryDirectory(prefix="harbor-conformance-") as directory:
        settings = Settings.model_construct(
            data_dir=Path(directory), secret_key=SecretStr(secrets.token_urlsafe(32))
        )
        merchant = await _prepare(settings)
        container = Container(settings=settings)
        desk = Desk(options.plan, container.clock().monotonic)
        began, api_key = desk.now(), merchant.first_key.text
        faults = Faults(
            create_app(container, run_worker=True).layers,
            desk,
            ids=container.ids(),
            api_key=api_key,
            pause_seconds=options.pause_seconds,
            slow_seconds=options.slow_seconds,
        )
        task = {
            "HARBOR_URL": address_of(listener),
            "HARBOR_API_KEY": api_key,
            "HARBOR_CONFORMANCE_INVOICES": ",".join(options.plan),
        }
        async with _serving(faults, listener, desk):
            tell(_told(task, options))
            notes = await _until_over(options, desk, task, stops)
        orders = await _orders(settings, merchant.merchant.id, options.plan)
    attempts = {invoice: desk.attempts(invoice) for invoice in options.plan}
    return Report(
        kit="client",
        cases=judge(options.plan, attempts, orders, desk.found, desk.strays),
        notes=(*notes, *([] if any(attempts.values()) else [_silence(desk.strays)])),
        seconds=desk.now() - began,
    )


@asynccontextmanager
async def _serving(app: Faults, listener: socket, desk: Desk) -> AsyncIterator[None]:
    server = _Server(_config(app))
    serving = asyncio.create_task(server.serve([listener]))
    await server.ready.wait()
    try:
        yield
    finally:
        desk.closing.set()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """Says when it is `ready`, for who is told to begin must not wait for our start, and leaves
    signals to who runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _prepare(settings: Settings) -> CreatedMerchant:
    container = Container(settings=settings)
    try:
        await container.migrate()
        merchant: CreatedMerchant = await container.create_merchant()("Conformance")
    finally:
        await shut_down(container)
    return merchant


def _config(app: Faults) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        interface="asgi3",
        http=CuttableProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        # The application itself says what goes wrong in it.
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


def _told(task: Mapping[str, str], options: ClientOptions) -> str:
    variables = "\n".join(f"  {name}={value}" for name, value in task.items())
    end = "your command has ended" if options.command else "each was answered for good"
    return f"""\
A Harbor that misbehaves on purpose is ready:

{variables}

Have your client place {len(options.plan)} orders there with POST /v1/orders, one for each of these
invoices, with that as its invoice_id. Customer, amount and currency are yours to choose.
The report comes when {end}, after {options.run_seconds:g} seconds, or at Ctrl-C.
"""


async def _until_over(
    options: ClientOptions, desk: Desk, task: Mapping[str, str], stops: Stops
) -> list[str]:
    """What is to be said about how it ended."""
    try:
        async with asyncio.timeout(options.run_seconds):
            return _said(await stops.run(_work(options.command, desk, task)))
    except Stopped:
        return [_BY_HAND]
    except TimeoutError:
        return [f"The {options.run_seconds:g} seconds of the run were over (--timeout)."]


async def _work(command: str | None, desk: Desk, task: Mapping[str, str]) -> int | None:
    """The command's exit code, if there is one."""
    if command is not None:
        return await run_command(command, task)
    await desk.all_answered.wait()
    await asyncio.sleep(WATCHED_SECONDS)
    return None


def _said(code: int | None) -> list[str]:
    if not code:
        return []
    how = f"with exit code {code}" if code > 0 else f"by signal {-code}"
    return [f"The command ended {how}."]


def _silence(strays: Mapping[str, int]) -> str:
    if strays:
        return f"No order of the task arrived. {said_of(strays)}"
    return "No order arrived at all: does the client place them at HARBOR_URL?"


async def _orders(
    settings: Settings, merchant_id: UUID, plan: Mapping[str, Scenario]
) -> dict[str, int]:
    """How many there are for each invoice, a hundred standing for more."""
    container = Container(settings=settings)
    try:
        orders: dict[str, int] = {}
        for invoice in plan:
            which = OrderFilter(merchant_id=merchant_id, invoice_id=invoice)
            page: Page[ListedOrder] = await container.list_orders()(
                which, after=None, limit=_COUNTED
            )
            orders[invoice] = len(page.items)
        return orders
    finally:
        await shut_down(container)
