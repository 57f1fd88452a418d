"""Every adapter behind the payment gateway's port, each on a stage of its own.

To add an adapter: a stage that plays its partner's side, and its name in `STAGES`.
"""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

from adapters.simulated.gateway import SimulatedGateway
from adapters.simulated.ledger import Ledger
from adapters.simulated.payment_methods import Reply
from adapters.simulated.remote import RemoteSimulatedGateway
from adapters.simulated.server import create_gateway_app
from adapters.system import SystemIds
from application.ports.clock import Clock
from application.ports.gateway import GatewayRequest, PaymentGateway
from domain.money import Money
from tests.fakes import FakeClock
from tests.serving import serving
from tests.support.server import free_port

ids = SystemIds()


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethods:
    """The names with which a gateway behaves in a certain way."""

    approves: str
    declines: str
    loses_request: str
    """The first call does not get there."""
    loses_answer: str
    """The first call is carried out, and the answer does not come back."""
    missing_payment: str
    """What the gateway could call a payment, and calls none."""
    unknown: str = "pm_of_nobody"


class GatewayStage(Protocol):
    """A gateway, and what only its partner's side can do or tell."""

    @property
    @abstractmethod
    def gateway(self) -> PaymentGateway: ...

    @property
    @abstractmethod
    def methods(self) -> PaymentMethods: ...

    @abstractmethod
    async def dealt_with(self, request: GatewayRequest) -> None:
        """Waits until the partner has done whatever it does about a call that it leaves without
        an answer."""

    @abstractmethod
    def pass_time(self, by: timedelta) -> None:
        """Set the partner's clock forward."""

    @abstractmethod
    async def effects_of(self, reference: str) -> list[Money]:
        """What the partner's own books say, past the adapter."""

    @abstractmethod
    def out_of_reach(self) -> PaymentGateway | None:
        """The same gateway where nothing listens; None when there is no network between."""


class WatchedLedger(Ledger):
    """Tells when it has dealt with a call, and what it wrote for a reference."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self._dealt_with: dict[str, asyncio.Event] = {}

    async def carry_out(self, request: GatewayRequest) -> Reply:
        reply = await super().carry_out(request)
        self.dealt_with(request.key).set()
        return reply

    def dealt_with(self, key: str) -> asyncio.Event:
        return self._dealt_with.setdefault(key, asyncio.Event())

    async def effects_of(self, reference: str) -> list[Money]:
        found: list[Money] = []
        after = None
        while True:
            page = await self.effects(FakeClock().now() - timedelta(days=1), after)
            found += [effect.amount for effect in page.effects if effect.reference == reference]
            if page.next is None:
                return found
            after = page.next


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStage(GatewayStage):
    simulated: PaymentGateway
    ledger: WatchedLedger
    clock: FakeClock
    is_remote: bool

    @property
    def gateway(self) -> PaymentGateway:
        return self.simulated

    @property
    def methods(self) -> PaymentMethods:
        return PaymentMethods(
            approves="sim_approve",
            declines="sim_decline",
            loses_request="sim_timeout_before",
            loses_answer="sim_timeout_after",
            missing_payment=f"sim_{ids.new()}",
        )

    async def dealt_with(self, request: GatewayRequest) -> None:
        await self.ledger.dealt_with(request.key).wait()

    def pass_time(self, by: timedelta) -> None:
        self.clock.advance(by)

    async def effects_of(self, reference: str) -> list[Money]:
        return await self.ledger.effects_of(reference)

    def out_of_reach(self) -> PaymentGateway | None:
        nowhere = f"http://127.0.0.1:{free_port()}"
        return RemoteSimulatedGateway(nowhere) if self.is_remote else None


@asynccontextmanager
async def simulated_here(directory: Path) -> AsyncIterator[GatewayStage]:
    clock = FakeClock()
    ledger = WatchedLedger(directory / "gateway.db", clock)
    gateway = SimulatedGateway(ledger, slow_seconds=0)
    async with aclosing(Closing(gateway)):
        yield SimulatedStage(simulated=gateway, ledger=ledger, clock=clock, is_remote=False)


@asynccontextmanager
async def simulated_there(directory: Path) -> AsyncIterator[GatewayStage]:
    clock = FakeClock()
    ledger = WatchedLedger(directory / "gateway.db", clock)
    async with serving(create_gateway_app(ledger, slow_seconds=0)) as url:
        gateway = RemoteSimulatedGateway(url)
        async with aclosing(Closing(gateway)):
            yield SimulatedStage(simulated=gateway, ledger=ledger, clock=clock, is_remote=True)


@dataclass(frozen=True, slots=True)
class Closing:
    """A gateway, for `aclosing`."""

    gateway: PaymentGateway

    async def aclose(self) -> None:
        await self.gateway.close()


Stages = Callable[[Path], AbstractAsyncContextManager[GatewayStage]]

STAGES: Final[dict[str, Stages]] = {
    "simulated": simulated_here,
    "simulated, remote": simulated_there,
}
