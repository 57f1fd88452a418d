"""A Stripe for the tests of its adapter."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from adapters.stripe.client import StripeClient
from adapters.stripe.gateway import StripeGateway
from tests.adapters.stripe_acting import closing
from tests.support.stripe import API_KEY, StripeServer, serving_stripe


@pytest.fixture(scope="module")
async def fresh_stripe() -> AsyncIterator[Callable[[], StripeServer]]:
    async with serving_stripe() as fresh:
        yield fresh


@pytest.fixture
def stripe(fresh_stripe: Callable[[], StripeServer]) -> StripeServer:
    return fresh_stripe()


@pytest.fixture(scope="module")
async def client(fresh_stripe: Callable[[], StripeServer]) -> AsyncIterator[StripeClient]:
    async with closing(StripeClient(API_KEY, base_url=fresh_stripe().url)) as opened:
        yield opened


@pytest.fixture
def gateway(client: StripeClient) -> StripeGateway:
    return StripeGateway(client, pauses=[timedelta(0)] * 2)
