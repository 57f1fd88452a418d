"""Harbor's own process with Stripe as its gateway: a local server that speaks Stripe's wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.journeys.api import Api, assert_problem, client_of
from tests.journeys.server import Harbor, HarborServer
from tests.support.stripe import API_KEY, Fault, StripeServer, serving_stripe

pytestmark = pytest.mark.anyio

ACTION_METHOD = "pm_card_wants_the_payer"
LOST_METHOD = "pm_card_loses_its_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    harbor: Harbor
    api: Api
    stripe: StripeServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """A server and a merchant for all tests here; `fresh` puts an empty Stripe behind it."""

    harbor: Harbor
    server: HarborServer
    api_key: str
    fresh: Callable[[], StripeServer]


@pytest.fixture(scope="module")
async def arrangement(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arrangement]:
    """The embedded default in every other respect."""
    async with serving_stripe() as fresh:
        settings = {
            "HARBOR_GATEWAY": "stripe",
            "HARBOR_STRIPE_API_KEY": API_KEY,
            "HARBOR_STRIPE_API_BASE": fresh().url,
            "HARBOR_GATEWAY_SECONDS": "2",
        }
        harbor = Harbor(tmp_path_factory.mktemp("stripe"), settings)
        # Stripe runs in this process, which must not stand still while a command asks it.
        server = await asyncio.to_thread(harbor.start)
        try:
            api_key = await asyncio.to_thread(harbor.create_merchant)
            yield Arrangement(harbor=harbor, server=server, api_key=api_key, fresh=fresh)
        finally:
            server.kill()


@pytest.fixture
async def place(arrangement: Arrangement) -> AsyncIterator[Place]:
    """With a new Stripe, whose clock is ours, for it dates what is looked for."""
    stripe = arrangement.fresh()
    stripe.now = datetime.now(UTC)
    stripe.first_faults = {ACTION_METHOD: Fault.REQUIRES_ACTION, LOST_METHOD: Fault.LOSE_ANSWER}
    async with client_of(arrangement.server) as client:
        api = Api(client, arrangement.api_key)
        yield Place(harbor=arrangement.harbor, api=api, stripe=stripe)


async def test_an_order_is_charged_and_refunded_at_stripe(place: Place) -> None:
    assert place.api.api_key.startswith("hk_live_")
    order = await place.api.paid(payment_method="pm_card_visa")
    assert place.stripe.paid() == [order["amount_cents"]]
    refund = await place.api.refunded(order["id"], amount_cents=500)
    assert (await place.api.until_settled(refund["id"]))["status"] == "succeeded"
    assert (await place.api.order(order["id"]))["status"] == "partially_refunded"
    compared = await asyncio.to_thread(place.harbor.run, "reconcile", "--json")
    assert compared.document["checked"] >= len((order, refund))
    differing = [each["order_id"] for each in compared.document["differences"]]
    assert order["id"] not in differing


async def test_an_authorization_is_captured_in_part(place: Place) -> None:
    order = await place.api.authorized(payment_method="pm_card_visa")
    assert place.stripe.paid() == []
    await place.api.capture(order["id"], {"amount_cents": 700})
    paid = await place.api.until(order["id"], "paid")
    assert (paid["amount_captured_cents"], place.stripe.paid()) == (700, [700])


async def test_a_canceled_order_leaves_nothing_held_at_stripe(place: Place) -> None:
    order = await place.api.authorized(payment_method="pm_card_visa")
    assert (await place.api.cancel(order["id"])).status_code == 202
    await place.api.until(order["id"], "canceled")
    (payment,) = place.stripe.payments.values()
    assert payment["status"] == "canceled"


async def test_a_lost_answer_is_one_charge(place: Place) -> None:
    order = await place.api.placed(payment_method=LOST_METHOD)
    await place.api.until(order["id"], "paid")
    assert place.stripe.paid() == [order["amount_cents"]]


async def test_a_payment_that_wants_its_payer_fails_and_can_never_be_paid(place: Place) -> None:
    order = await place.api.placed(payment_method=ACTION_METHOD)
    failed = await place.api.until(order["id"], "failed")
    assert failed["failure"]["code"] == "payer_action_required"
    (payment,) = place.stripe.payments.values()
    assert payment["status"] == "canceled"


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_authenticationRequired", "payer_action_required"),
    ],
)
async def test_a_decline_says_why(place: Place, method: str, code: str) -> None:
    order = await place.api.placed(payment_method=method)
    failed = await place.api.until(order["id"], "failed")
    assert failed["failure"]["code"] == code


async def test_an_authorization_that_lapsed_fails_the_order_when_it_is_captured(
    place: Place,
) -> None:
    order = await place.api.authorized(payment_method="pm_card_visa")
    place.stripe.pass_time(timedelta(days=8))
    await place.api.capture(order["id"])
    failed = await place.api.until(order["id"], "failed")
    assert failed["failure"]["code"] == "authorization_expired"


async def test_an_order_without_a_payment_method_of_stripe_is_refused(place: Place) -> None:
    for changes in ({}, {"payment_method": "sim_approve"}):
        refused = await place.api.place(**changes)
        assert_problem(refused, 422, "payment_method_unknown")
    assert place.stripe.calls == []
