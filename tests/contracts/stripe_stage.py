"""Stripe's side of the stage on which the gateway's port is tried."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from adapters.stripe.amounts import from_stripe
from adapters.stripe.client import StripeClient
from adapters.stripe.gateway import StripeGateway
from application.ports.gateway import GatewayRequest, PaymentGateway
from domain.money import Money
from domain.payment import OperationKind, Outcome
from tests.contracts.gateways import GatewayStage, PaymentMethods
from tests.fakes import NOW
from tests.support.server import free_port
from tests.support.stripe import API_KEY, Fault, StripeServer, running_stripe

METHODS = PaymentMethods(
    approves="pm_card_visa",
    declines="pm_card_chargeDeclined",
    loses_request="pm_card_loses_request",
    loses_answer="pm_card_loses_answer",
    # An id of Stripe's own form that it does not know is for an operator to look at: it came from
    # Stripe once, and the API key is probably another account's.
    missing_payment="ch_that_is_no_payment_intent",
    unknown="tok_visa",
)


class StripeWithDefault(StripeGateway):
    """Stripe has no default payment method, and the port's suite mostly names none."""

    def accepts(self, payment_method: str | None) -> bool:
        return payment_method is None or super().accepts(payment_method)

    async def execute(self, request: GatewayRequest) -> Outcome:
        charges = request.kind in (OperationKind.CHARGE, OperationKind.AUTHORIZE)
        if charges and request.payment_method is None:
            request = replace(request, payment_method="pm_card_mastercard")
        return await super().execute(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeStage(GatewayStage):
    stripe: StripeServer
    adapter: PaymentGateway

    @property
    def gateway(self) -> PaymentGateway:
        return self.adapter

    @property
    def methods(self) -> PaymentMethods:
        return METHODS

    async def dealt_with(self, request: GatewayRequest) -> None:
        await self.stripe.seen[request.key].wait()

    def pass_time(self, by: timedelta) -> None:
        self.stripe.pass_time(by)

    async def effects_of(self, reference: str) -> list[Money]:
        moved = (from_stripe(*each) for each in self.stripe.moved_for(reference))
        return [money for money in moved if money is not None]

    def out_of_reach(self) -> PaymentGateway:
        client = StripeClient(API_KEY, base_url=f"http://127.0.0.1:{free_port()}")
        return StripeWithDefault(client, pauses=())


@asynccontextmanager
async def stripe_there(_directory: Path) -> AsyncIterator[GatewayStage]:
    async with running_stripe() as stripe:
        stripe.now = NOW
        stripe.page_items = 100
        stripe.first_faults = {
            METHODS.loses_request: Fault.LOSE_REQUEST,
            METHODS.loses_answer: Fault.LOSE_ANSWER,
        }
        adapter = StripeWithDefault(StripeClient(API_KEY, base_url=stripe.url))
        try:
            yield StripeStage(stripe=stripe, adapter=adapter)
        finally:
            await adapter.close()
