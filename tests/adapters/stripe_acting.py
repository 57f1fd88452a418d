"""What is asked of Stripe in the tests of its adapter, and what is said of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from adapters.stripe.client import StripeClient
from adapters.stripe.gateway import StripeGateway
from application.ports.gateway import GatewayRequest
from domain.money import Money
from domain.payment import Approved, Declined, OperationKind, Outcome
from tests.examples import ids
from tests.support.stripe import StripeServer

EUR_20 = Money(amount_minor=2_000, currency="EUR")
DAY = timedelta(days=1)

CHARGE = OperationKind.CHARGE
AUTHORIZE = OperationKind.AUTHORIZE
CAPTURE = OperationKind.CAPTURE
VOID = OperationKind.VOID
REFUND = OperationKind.REFUND


@asynccontextmanager
async def closing(client: StripeClient) -> AsyncIterator[StripeClient]:
    try:
        yield client
    finally:
        await client.close()


def asked(
    stripe: StripeServer,
    kind: OperationKind = CHARGE,
    *,
    payment_method: str | None = "pm_card_visa",
    payment_id: str | None = None,
    amount: Money = EUR_20,
) -> GatewayRequest:
    reference = str(ids.new())
    return GatewayRequest(
        key=reference,
        reference=reference,
        kind=kind,
        amount=amount,
        payment_method=payment_method if kind in (CHARGE, AUTHORIZE) else None,
        payment_id=payment_id,
        asked_at=stripe.now,
    )


async def done(
    gateway: StripeGateway,
    stripe: StripeServer,
    kind: OperationKind = CHARGE,
    payment_id: str | None = None,
) -> GatewayRequest:
    """A request that was carried out."""
    request = asked(stripe, kind, payment_id=payment_id)
    assert await gateway.execute(request) == approved(stripe, request)
    return request


def approved(stripe: StripeServer, request: GatewayRequest) -> Approved:
    """What is said of a request that did what it asked for."""
    (payment_id,) = [request.payment_id] if request.payment_id else list(stripe.payments)[-1:]
    expires_at = None
    if request.kind is AUTHORIZE:
        expires_at = request.asked_at + 7 * DAY
    return Approved(
        reference=request.reference,
        amount=request.amount,
        payment_id=payment_id,
        expires_at=expires_at,
    )


def code_of(outcome: Outcome | None) -> str:
    assert isinstance(outcome, Declined)
    return outcome.failure.code


def the_id(stripe: StripeServer) -> str:
    (payment_id,) = stripe.payments
    return payment_id
