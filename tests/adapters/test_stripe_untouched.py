"""What Stripe has turned away or never saw: no outcome, and no reason to be afraid of the next
attempt either."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.stripe.client import StripeClient
from adapters.stripe.gateway import StripeGateway
from adapters.stripe.readiness import StripeProbe
from domain.payment import OperationKind, Unknown
from tests.adapters.stripe_acting import (
    AUTHORIZE,
    CAPTURE,
    VOID,
    approved,
    asked,
    closing,
    code_of,
    done,
    the_id,
)
from tests.support.stripe import API_KEY, Fault, StripeServer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("is_repeat", [False, True])
@pytest.mark.parametrize("kind", OperationKind)
async def test_at_a_wrong_address_nothing_is_declined_and_nothing_is_known(
    stripe: StripeServer, kind: OperationKind, is_repeat: bool
) -> None:
    """As with HARBOR_STRIPE_API_BASE=https://api.stripe.com/v1: Stripe itself answers, 404."""
    async with closing(StripeClient(API_KEY, base_url=f"{stripe.url}/v1")) as client:
        lost = StripeGateway(client, pauses=())
        request = replace(asked(stripe, kind, payment_id="pi_1"), is_repeat=is_repeat)
        assert await lost.execute(request) == Unknown("unexpected_answer")
        assert await lost.find(request) == Unknown("unreadable")
        problem = (await StripeProbe(client).examine()).problem
    assert problem == "This is not where Stripe's API is: check HARBOR_STRIPE_API_BASE."
    assert stripe.calls == []


async def test_a_payment_method_that_is_mistyped_is_declined_whatever_came_before(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe, payment_method="pm_typo")
    stripe.faults.extend([Fault.RATE_LIMITED, Fault.WRONG_KEY])
    for problem in ("throttled", "gateway_refused_us"):
        outcome = await gateway.execute(request)
        assert isinstance(outcome, Unknown)
        assert (outcome.problem, outcome.untouched) == (problem, True)
    assert code_of(await gateway.execute(request)) == "payment_method_unknown"


@pytest.mark.parametrize("fault", [Fault.RATE_LIMITED, Fault.WRONG_KEY])
async def test_a_void_that_is_turned_away_when_it_is_marked_has_touched_something(
    gateway: StripeGateway, stripe: StripeServer, fault: Fault
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    void = asked(stripe, VOID, payment_id=the_id(stripe))
    stripe.faults.extend([Fault.NONE, fault])
    outcome = await gateway.execute(void)
    assert isinstance(outcome, Unknown)
    assert not outcome.untouched
    assert await gateway.execute(void) == approved(stripe, void)


async def test_an_object_that_is_locked_may_be_so_by_our_own_call(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    capture = asked(stripe, CAPTURE, payment_id=the_id(stripe))
    stripe.faults.append(Fault.LOCKED)
    assert await gateway.execute(capture) == Unknown("throttled")


async def test_a_look_that_is_turned_away_says_nothing_of_what_was_sent(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = replace(asked(stripe), is_repeat=True)
    stripe.faults.extend([Fault.REFUSED, Fault.RATE_LIMITED])
    assert await gateway.execute(request) == Unknown("throttled", timedelta(seconds=7))


async def test_what_a_customer_paid_who_is_gone_is_found_among_everybodys(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe, payment_method="cus_1/pm_card_visa")
    assert await gateway.execute(request) == approved(stripe, request)
    stripe.gone.add("cus_1")
    assert await gateway.find(request) == approved(stripe, request)
    other = asked(stripe, payment_method="cus_1/pm_card_visa")
    assert await gateway.find(other) is None
    assert code_of(await gateway.execute(other)) == "payment_method_unknown"
