"""The Stripe gateway over real HTTP, against a server that does what Stripe documents."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.stripe.client import API_VERSION, StripeClient
from adapters.stripe.gateway import StripeGateway
from adapters.stripe.readiness import StripeProbe
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable
from domain.money import Money
from domain.payment import (
    Approved,
    OperationKind,
    PaymentOperation,
    Unknown,
)
from tests.adapters.stripe_acting import (
    AUTHORIZE,
    CAPTURE,
    CHARGE,
    DAY,
    EUR_20,
    REFUND,
    VOID,
    approved,
    asked,
    closing,
    code_of,
    done,
    the_id,
)
from tests.examples import ids
from tests.fakes import NOW
from tests.support.server import free_port
from tests.support.stripe import API_KEY, Fault, StripeServer

pytestmark = pytest.mark.anyio

# What it says of itself.


def test_it_is_called_stripe_and_keys_last_a_day() -> None:
    gateway = StripeGateway(StripeClient(API_KEY))
    assert (gateway.name, gateway.remembers_keys_for) == ("stripe", DAY)


@pytest.mark.parametrize(
    ("payment_method", "good"),
    [
        ("pm_card_visa", True),
        ("pm_1MqLiJLkdIwHu7ixUEgbFdYF", True),
        ("cus_NeGfPRiPKxeBi1/pm_1MqLiJLkdIwHu7ixUEgbFdYF", True),
        (None, False),
        ("", False),
        ("pm_", False),
        ("tok_visa", False),
        ("sim_approve", False),
        ("pm_a/pm_b", False),
        ("pm_card visa", False),
        ("pm_card_visa\n", False),
        ("pm_" + "a" * 101, False),
        ("4242424242424242", False),
    ],
)
def test_it_accepts_tokens_of_payment_methods(payment_method: str | None, good: bool) -> None:
    assert StripeGateway(StripeClient(API_KEY)).accepts(payment_method) is good


@pytest.mark.parametrize(("claims", "is_repeat"), [(1, False), (2, True), (3, True)])
def test_a_request_is_a_repeat_once_it_may_have_been_sent_before(
    claims: int, is_repeat: bool
) -> None:
    operation = PaymentOperation(
        id=ids.new(),
        merchant_id=ids.new(),
        order_id=ids.new(),
        kind=CHARGE,
        amount=EUR_20,
        gateway="stripe",
        due_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    for number in range(claims):
        operation = operation.claim(lease=DAY, now=NOW + number * DAY)
    assert GatewayRequest.of(operation).is_repeat is is_repeat


# Doing.


async def test_a_charge_takes_the_money(gateway: StripeGateway, stripe: StripeServer) -> None:
    await done(gateway, stripe)
    assert stripe.paid() == [2_000]


async def test_every_call_names_the_version_that_it_means(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await gateway.find(await done(gateway, stripe))
    assert stripe.versions == {API_VERSION}


async def test_an_authorization_says_when_it_lapses_and_takes_nothing(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    assert stripe.paid() == []


async def test_a_capture_takes_what_it_says_and_leaves_the_authorization_its_reference(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    authorization = await done(gateway, stripe, AUTHORIZE)
    part = Money(amount_minor=700, currency="EUR")
    capture = asked(stripe, CAPTURE, payment_id=the_id(stripe), amount=part)
    assert await gateway.execute(capture) == approved(stripe, capture)
    assert stripe.paid() == [700]
    found = await gateway.find(replace(authorization, payment_id=the_id(stripe)))
    assert isinstance(found, Approved)
    assert (found.reference, found.amount) == (authorization.reference, EUR_20)


async def test_a_void_lets_go_of_the_money_and_is_known_by_its_reference(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    void = await done(gateway, stripe, VOID, the_id(stripe))
    assert await gateway.find(void) == approved(stripe, void)
    assert stripe.payments[the_id(stripe)]["status"] == "canceled"


async def test_refunds_are_made_in_parts_and_never_of_more_than_was_taken(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe)
    part = Money(amount_minor=1_500, currency="EUR")
    first = asked(stripe, REFUND, payment_id=the_id(stripe), amount=part)
    assert await gateway.execute(first) == approved(stripe, first)
    second = asked(stripe, REFUND, payment_id=the_id(stripe), amount=part)
    assert code_of(await gateway.execute(second)) == "refund_too_large"
    assert await gateway.find(first) == approved(stripe, first)
    assert await gateway.find(second) is None


async def test_money_is_counted_as_stripe_counts_it(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe, amount=Money(amount_minor=5, currency="ISK"))
    assert await gateway.execute(request) == approved(stripe, request)
    assert stripe.paid() == [500]


@pytest.mark.parametrize(
    ("payment_method", "code"),
    [
        ("pm_card_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_authenticationRequired", "payer_action_required"),
        ("pm_card_that_nobody_knows", "payment_method_unknown"),
    ],
)
async def test_a_decline_is_final_and_takes_nothing(
    gateway: StripeGateway, stripe: StripeServer, payment_method: str, code: str
) -> None:
    request = asked(stripe, payment_method=payment_method)
    first = await gateway.execute(request)
    assert code_of(first) == code
    assert await gateway.execute(request) == first
    assert stripe.paid() == []
    if stripe.payments:
        assert await gateway.find(request) == first


async def test_a_decline_never_repeats_stripes_text(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    outcome = await gateway.execute(asked(stripe, payment_method="pm_card_chargeDeclined"))
    assert "jenny" not in repr(outcome)


async def test_what_stripe_cannot_count_is_declined_and_never_sent(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe, amount=Money(amount_minor=1_001, currency="KWD"))
    assert code_of(await gateway.execute(request)) == "amount_not_supported"
    assert stripe.calls == []


@pytest.mark.parametrize("kind", [CAPTURE, VOID, REFUND])
async def test_nothing_is_asked_about_a_payment_without_a_proper_id(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    for payment_id in (None, "pi_1/../../refunds", "ch_1", ""):
        request = asked(stripe, kind, payment_id=payment_id)
        assert code_of(await gateway.execute(request)) == "payment_not_found"
        assert await gateway.find(request) is None
    assert stripe.calls == []


@pytest.mark.parametrize("kind", [CAPTURE, VOID, REFUND])
async def test_a_payment_that_stripe_had_and_no_longer_knows_is_for_an_operator(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    request = asked(stripe, kind, payment_id="pi_of_another_account")
    assert await gateway.execute(request) == Unknown("payment_missing")
    assert await gateway.find(request) is None


async def test_what_is_refused_for_no_known_reason_is_declined_where_nothing_was_done(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.faults.append(Fault.REFUSED)
    assert code_of(await gateway.execute(request)) == "request_refused"
    assert code_of(await gateway.execute(request)) == "request_refused"
    assert stripe.payments == {}


async def test_nothing_is_looked_for_where_nothing_was_sent_before(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    stripe.faults.append(Fault.REFUSED)
    assert code_of(await gateway.execute(asked(stripe))) == "request_refused"
    assert stripe.calls == ["POST /v1/payment_intents"]


async def test_what_is_refused_for_no_known_reason_may_have_been_done_before(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    again = replace(request, is_repeat=True)
    stripe.keys.clear()
    stripe.faults.append(Fault.REFUSED)
    assert await gateway.execute(again) == approved(stripe, request)
    stripe.keys.clear()
    stripe.faults.extend([Fault.REFUSED, Fault.ERROR_BEFORE])
    assert await gateway.execute(again) == Unknown("server_error")


async def test_a_payment_method_that_is_gone_by_now_may_have_paid_before(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    stripe.gone.add("pm_card_visa")
    again = replace(request, is_repeat=True)
    assert await gateway.execute(again) == approved(stripe, request)


async def test_where_the_key_is_another_accounts_nothing_is_declined_that_may_have_been_paid(
    gateway: StripeGateway, fresh_stripe: Callable[[], StripeServer]
) -> None:
    request = await done(gateway, fresh_stripe())
    fresh_stripe().gone.add("pm_card_visa")
    again = replace(request, is_repeat=True)
    assert await gateway.execute(again) == Unknown("payment_method_missing")


async def test_a_refusal_that_can_be_read_is_a_decline_where_nothing_was_done_before(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe, amount=Money(amount_minor=49, currency="EUR"))
    stripe.faults.append(Fault.LOSE_REQUEST)
    assert await gateway.execute(request) == Unknown("unreachable")
    again = replace(request, is_repeat=True)
    assert code_of(await gateway.execute(again)) == "amount_not_supported"


# An answer that does not come.


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Fault.LOSE_ANSWER, "unreachable"),
        (Fault.GARBAGE, "unreadable"),
        (Fault.HUGE, "unreadable"),
    ],
)
async def test_a_lost_answer_is_unknown_and_asking_again_is_one_effect(
    gateway: StripeGateway,
    stripe: StripeServer,
    kind: OperationKind,
    fault: Fault,
    problem: str,
) -> None:
    request = await prepared(gateway, stripe, kind)
    stripe.faults.extend([Fault.NONE] * (kind is VOID) + [fault])
    assert await gateway.execute(request) == Unknown(problem)
    found = await gateway.find(request)
    assert found == approved(stripe, request)
    assert await gateway.execute(request) == found
    assert len(stripe.payments) == 1
    assert len(stripe.moved_for(request.reference)) == 1


@pytest.mark.parametrize("kind", [CHARGE, AUTHORIZE, REFUND])
async def test_a_500_is_unknown_for_as_long_as_its_key_says_so_and_is_found_by_reference(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    for fault in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER):
        stripe.payments.clear()
        request = await prepared(gateway, stripe, kind)
        stripe.faults.append(fault)
        assert await gateway.execute(request) == Unknown("server_error")
        assert await gateway.execute(request) == Unknown("server_error")
        found = await gateway.find(request)
        assert found == (approved(stripe, request) if fault is Fault.ERROR_AFTER else None)


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER])
@pytest.mark.parametrize(("kind", "calls_before"), [(CAPTURE, 0), (VOID, 0), (VOID, 1)], ids=str)
async def test_a_500_does_not_keep_an_authorization_from_being_captured_or_voided(
    gateway: StripeGateway,
    stripe: StripeServer,
    kind: OperationKind,
    calls_before: int,
    fault: Fault,
) -> None:
    request = await prepared(gateway, stripe, kind)
    stripe.faults.extend([Fault.NONE] * calls_before + [fault])
    assert await gateway.execute(request) == Unknown("server_error")
    again = replace(request, is_repeat=True)
    for _ in range(2):
        assert await gateway.execute(again) == approved(stripe, request)
    assert stripe.moved_for(request.reference) == [(2_000, "eur")]
    status = "succeeded" if kind is CAPTURE else "canceled"
    assert stripe.payments[the_id(stripe)]["status"] == status


async def test_a_500_on_each_of_its_calls_does_not_keep_an_authorization_from_being_voided(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await prepared(gateway, stripe, VOID)
    for calls_before in range(4):
        stripe.faults.extend([Fault.NONE] * calls_before + [Fault.ERROR_BEFORE])
        assert await gateway.execute(request) == Unknown("server_error")
        assert not stripe.faults
    assert await gateway.execute(request) == approved(stripe, request)


async def prepared(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> GatewayRequest:
    """A request that can be done: for a refund there is a charge, for a capture something held."""
    if kind in (CHARGE, AUTHORIZE):
        return asked(stripe, kind)
    await done(gateway, stripe, CHARGE if kind is REFUND else AUTHORIZE)
    return asked(stripe, kind, payment_id=the_id(stripe))


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.DRIPS])
async def test_an_answer_that_does_not_end_is_a_timeout(stripe: StripeServer, fault: Fault) -> None:
    client = StripeClient(API_KEY, base_url=stripe.url, patience_seconds=0.5)
    async with closing(client):
        stripe.faults.append(fault)
        assert await StripeGateway(client).execute(asked(stripe)) == Unknown("timeout")


async def test_a_caller_may_leave_at_any_time_and_what_was_sent_is_done(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.faults.append(Fault.HANG)
    asking = asyncio.create_task(gateway.execute(request))
    await stripe.reached.wait()
    assert await gateway.execute(request) == Unknown("in_progress")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await gateway.find(request) == approved(stripe, request)
    assert stripe.paid() == [2_000]


async def test_where_nobody_listens_nothing_can_be_said() -> None:
    stripe = StripeServer()
    client = StripeClient(API_KEY, base_url=f"http://127.0.0.1:{free_port()}")
    gateway = StripeGateway(client, pauses=())
    async with closing(client):
        request = asked(stripe)
        assert await gateway.execute(request) == Unknown("unreachable", untouched=True)
        assert await gateway.find(request) == Unknown("unreachable")
        with pytest.raises(GatewayUnavailable, match="unreachable"):
            await effects_of(gateway, stripe)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.RATE_LIMITED, Unknown("throttled", timedelta(seconds=7), untouched=True)),
        (Fault.LOCKED, Unknown("throttled")),
        (Fault.WRONG_KEY, Unknown("gateway_refused_us", untouched=True)),
        (Fault.REDIRECT, Unknown("unreadable")),
    ],
)
async def test_what_stripe_turned_away_is_unknown_and_can_be_asked_again(
    gateway: StripeGateway, stripe: StripeServer, fault: Fault, outcome: Unknown
) -> None:
    request = asked(stripe)
    stripe.faults.extend([fault, fault])
    assert await gateway.execute(request) == outcome
    assert await gateway.find(request) == replace(outcome, untouched=False)
    assert "GET /elsewhere" not in stripe.calls
    assert await gateway.execute(request) == approved(stripe, request)


async def test_another_amount_is_handed_on_for_the_domain_to_refuse(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    stripe.faults.append(Fault.OTHER_AMOUNT)
    outcome = await gateway.execute(asked(stripe))
    assert isinstance(outcome, Approved)
    assert outcome.amount == Money(amount_minor=1, currency="EUR")


async def test_another_request_under_the_same_key_is_not_done(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    other = replace(request, amount=Money(amount_minor=9_999, currency="EUR"))
    assert await gateway.execute(other) == Unknown("key_reused")
    assert stripe.paid() == [2_000]


async def test_100_of_one_request_at_once_are_one_effect(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    outcomes = await asyncio.gather(*(gateway.execute(request) for _ in range(100)))
    assert set(outcomes) == {approved(stripe, request)}
    assert stripe.paid() == [2_000]


async def test_what_is_processing_is_unknown_until_it_is_decided(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.faults.append(Fault.PROCESSING)
    assert await gateway.execute(request) == Unknown("processing")
    assert await gateway.find(request) == Unknown("processing")
    stripe.payments[the_id(stripe)] |= {"status": "succeeded", "amount_received": 2_000}
    assert await gateway.find(request) == approved(stripe, request)


async def test_a_refund_that_is_pending_is_unknown_until_it_is_decided(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe)
    request = asked(stripe, REFUND, payment_id=the_id(stripe))
    stripe.faults.append(Fault.PROCESSING)
    assert await gateway.execute(request) == Unknown("processing")
    (refund,) = stripe.refunds.values()
    refund["status"] = "failed"
    assert code_of(await gateway.find(request)) == "refund_failed"


# A payer who is not there.


async def test_a_payment_that_waits_for_its_payer_is_canceled_and_declined(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.faults.append(Fault.REQUIRES_ACTION)
    outcome = await gateway.execute(request)
    assert code_of(outcome) == "payer_action_required"
    assert stripe.payments[the_id(stripe)]["status"] == "canceled"
    assert await gateway.execute(request) == outcome
    assert await gateway.find(request) == outcome


@pytest.mark.parametrize(
    "fault", [Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.LOSE_ANSWER, Fault.LOCKED]
)
async def test_it_is_unknown_until_stripe_confirms_that_it_is_canceled(
    gateway: StripeGateway, stripe: StripeServer, fault: Fault
) -> None:
    request = asked(stripe)
    stripe.faults.extend([Fault.REQUIRES_ACTION, fault])
    assert await gateway.execute(request) == Unknown("payer_action_required")
    assert code_of(await gateway.execute(request)) == "payer_action_required"
    assert stripe.payments[the_id(stripe)]["status"] == "canceled"


async def test_a_payment_that_nobody_confirmed_is_canceled_and_no_payer_is_spoken_of(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    stripe.payments[the_id(stripe)] |= {"status": "requires_confirmation", "amount_received": 0}
    for _ in range(2):
        assert code_of(await gateway.find(request)) == "payment_canceled"
    assert stripe.payments[the_id(stripe)]["status"] == "canceled"


async def test_a_payer_who_did_act_before_the_cancellation_has_paid(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.faults.extend([Fault.REQUIRES_ACTION, Fault.LOCKED])
    assert await gateway.execute(request) == Unknown("payer_action_required")
    stripe.payments[the_id(stripe)] |= {"status": "succeeded", "amount_received": 2_000}
    assert await gateway.execute(request) == Unknown("payer_action_required")
    assert await gateway.find(request) == approved(stripe, request)


async def test_a_search_lets_go_of_what_waits_for_its_payer(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.faults.extend([Fault.REQUIRES_ACTION, Fault.LOCKED])
    await gateway.execute(request)
    assert code_of(await gateway.find(request)) == "payer_action_required"
    assert stripe.payments[the_id(stripe)]["status"] == "canceled"


# An authorization that lapses.


async def test_an_authorization_is_found_while_it_stands_and_declined_once_it_has_lapsed(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    authorization = await done(gateway, stripe, AUTHORIZE)
    stripe.pass_time(6 * DAY)
    assert await gateway.find(authorization) == approved(stripe, authorization)
    stripe.pass_time(DAY)
    assert code_of(await gateway.find(authorization)) == "authorization_expired"


async def test_an_authorization_that_was_voided_was_granted(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    authorization = await done(gateway, stripe, AUTHORIZE)
    await done(gateway, stripe, VOID, the_id(stripe))
    found = await gateway.find(authorization)
    assert isinstance(found, Approved)
    assert (found.reference, found.amount) == (authorization.reference, EUR_20)


@pytest.mark.parametrize("kind", [CAPTURE, VOID])
async def test_what_the_issuer_declined_to_capture_is_held_no_more(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    request = await prepared(gateway, stripe, kind)
    stripe.payments[the_id(stripe)] |= {
        "status": "requires_payment_method",
        "last_payment_error": {"type": "card_error", "code": "card_declined"},
    }
    assert code_of(await gateway.execute(request)) == "authorization_expired"
    assert code_of(await gateway.find(request)) == "authorization_expired"


@pytest.mark.parametrize("kind", [CAPTURE, VOID])
async def test_what_has_lapsed_can_be_neither_captured_nor_voided(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    stripe.pass_time(8 * DAY)
    request = asked(stripe, kind, payment_id=the_id(stripe))
    assert code_of(await gateway.execute(request)) == "authorization_expired"
    assert code_of(await gateway.find(request)) == "authorization_expired"


@pytest.mark.parametrize(("kind", "code"), [(CAPTURE, "not_capturable"), (VOID, "not_voidable")])
async def test_what_somebody_else_captured_is_captured_for_good(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind, code: str
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    await done(gateway, stripe, CAPTURE, the_id(stripe))
    request = asked(stripe, kind, payment_id=the_id(stripe))
    for _ in range(2):
        assert code_of(await gateway.find(request)) == code
        assert code_of(await gateway.execute(request)) == code


async def test_what_has_been_voided_cannot_be_captured(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    await done(gateway, stripe, VOID, the_id(stripe))
    request = asked(stripe, CAPTURE, payment_id=the_id(stripe))
    assert code_of(await gateway.execute(request)) == "not_capturable"


# Finding.


@pytest.mark.parametrize("kind", OperationKind)
async def test_what_was_never_asked_is_not_found(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    request = await prepared(gateway, stripe, kind)
    await done(gateway, stripe)
    assert await gateway.find(request) is None


@pytest.mark.parametrize("kind", OperationKind)
async def test_what_was_done_is_still_known_when_its_key_is_forgotten(
    gateway: StripeGateway, stripe: StripeServer, kind: OperationKind
) -> None:
    request = await prepared(gateway, stripe, kind)
    said = await gateway.execute(request)
    stripe.pass_time(timedelta(hours=25))
    assert await gateway.find(request) == said == approved(stripe, request)


async def test_it_is_found_among_many_of_the_same_time(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    requests = [asked(stripe) for _ in range(35)]
    await asyncio.gather(*(gateway.execute(request) for request in requests))
    for request in (requests[0], requests[17], requests[34]):
        found = await gateway.find(request)
        assert isinstance(found, Approved)
        assert found.reference == request.reference


async def test_it_is_found_when_it_was_done_hours_after_it_was_first_asked_for(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = asked(stripe)
    stripe.pass_time(timedelta(hours=11))
    assert await gateway.execute(request) == approved(stripe, request)
    assert await gateway.find(request) == approved(stripe, request)


@pytest.mark.parametrize(("late", "pages"), [(0, 1), (60, 2), (600, 4), (3_600, 6)])
async def test_it_is_found_without_going_through_all_that_was_done_at_other_times(
    gateway: StripeGateway, stripe: StripeServer, late: int, pages: int
) -> None:
    request = asked(stripe)
    stripe.pass_time(timedelta(seconds=late))
    said = await gateway.execute(request)
    elsewhen = [minutes for minutes in (-4, 0.5, 5, 60) if minutes * 60 > late or minutes < 0]
    for minutes in elsewhen:
        stripe.now = request.asked_at + timedelta(minutes=minutes)
        await asyncio.gather(*(gateway.execute(asked(stripe)) for _ in range(15)))
    stripe.listed.clear()
    assert await gateway.find(request) == said
    assert len(stripe.listed) <= pages + 1


async def test_what_a_customer_paid_with_is_looked_for_among_what_is_theirs(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await asyncio.gather(*(gateway.execute(asked(stripe)) for _ in range(25)))
    request = asked(stripe, payment_method="cus_1/pm_card_visa")
    stripe.pass_time(timedelta(hours=2))
    assert await gateway.find(request) is None
    assert await gateway.execute(request) == approved(stripe, request)
    stripe.listed.clear()
    assert await gateway.find(request) == approved(stripe, request)
    (page,) = stripe.listed
    assert page["customer"] == "cus_1"


# The books.


async def effects_of(
    gateway: StripeGateway, stripe: StripeServer, back: timedelta = DAY
) -> list[Effect]:
    return [effect async for effect in gateway.effects(stripe.now - back)]


async def test_the_books_tell_everything_that_was_done_and_when(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    charge = await done(gateway, stripe)
    refund = await done(gateway, stripe, REFUND, the_id(stripe))
    await gateway.execute(asked(stripe, payment_method="pm_card_chargeDeclined"))
    authorization = await done(gateway, stripe, AUTHORIZE)
    held = list(stripe.payments)[-1]
    stripe.pass_time(2 * DAY)
    capture = await done(gateway, stripe, CAPTURE, held)
    other = await done(gateway, stripe, AUTHORIZE)
    void = await done(gateway, stripe, VOID, list(stripe.payments)[-1])

    def told(*requests: GatewayRequest) -> set[Effect]:
        return {
            Effect(reference=r.reference, kind=r.kind, amount=r.amount, at=r.asked_at)
            for r in requests
        }

    everything = await effects_of(gateway, stripe, 3 * DAY)
    assert len(everything) == 6
    assert set(everything) == told(charge, refund, authorization, capture, other, void)
    assert set(await effects_of(gateway, stripe)) == told(capture, other, void)


async def test_a_double_effect_is_in_the_books_twice(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    stripe.keys.clear()
    await gateway.execute(request)
    references = [effect.reference for effect in await effects_of(gateway, stripe)]
    assert references == [request.reference, request.reference]


async def test_a_lapsed_authorization_is_no_void(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    stripe.pass_time(8 * DAY)
    effects = await effects_of(gateway, stripe, 9 * DAY)
    assert [effect.kind for effect in effects] == [AUTHORIZE]


async def test_what_is_not_ours_is_not_in_our_books(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe)
    stripe.payments[the_id(stripe)]["metadata"] = {"order": "somebody else's"}
    assert await effects_of(gateway, stripe) == []


async def test_what_is_ours_and_makes_no_sense_is_not_passed_over(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    stripe.payments[the_id(stripe)]["amount"] = "20 euros"
    assert await gateway.find(request) == Unknown("unreadable")
    with pytest.raises(GatewayUnavailable, match="unreadable"):
        await effects_of(gateway, stripe)


@pytest.mark.parametrize("fault", [Fault.ERROR_BEFORE, Fault.GARBAGE, Fault.LOSE_ANSWER])
async def test_books_that_cannot_be_read_to_their_end_are_an_error(
    gateway: StripeGateway, stripe: StripeServer, fault: Fault
) -> None:
    requests = [asked(stripe) for _ in range(15)]
    await asyncio.gather(*(gateway.execute(request) for request in requests))
    stripe.faults.extend([Fault.NONE, *[fault] * 3])
    with pytest.raises(GatewayUnavailable):
        await effects_of(gateway, stripe)


@pytest.mark.parametrize(
    "fault", [Fault.ERROR_BEFORE, Fault.LOSE_ANSWER, Fault.LOSE_REQUEST, Fault.RATE_LIMITED]
)
async def test_the_books_are_read_through_faults_that_pass(
    gateway: StripeGateway, stripe: StripeServer, fault: Fault
) -> None:
    requests = [asked(stripe) for _ in range(15)]
    await asyncio.gather(*(gateway.execute(request) for request in requests))
    stripe.retry_after = "0"
    stripe.faults.extend([fault, fault, Fault.NONE, fault, fault])
    assert len(await effects_of(gateway, stripe)) == 15


async def test_a_page_is_left_alone_for_as_long_as_stripe_asks_for(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    stripe.retry_after = "1"
    stripe.faults.append(Fault.RATE_LIMITED)
    begun = asyncio.get_running_loop().time()
    await effects_of(gateway, stripe)
    assert asyncio.get_running_loop().time() - begun >= 1


async def test_a_key_that_is_refused_is_not_shown_again(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    stripe.faults.append(Fault.WRONG_KEY)
    with pytest.raises(GatewayUnavailable, match="gateway_refused_us"):
        await effects_of(gateway, stripe)
    assert len(stripe.calls) == 1


async def test_a_search_leaves_it_to_its_caller_to_ask_again(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    request = await done(gateway, stripe)
    stripe.faults.append(Fault.ERROR_BEFORE)
    assert await gateway.find(request) == Unknown("server_error")


async def test_a_capture_in_the_dashboard_is_in_the_books_and_names_the_order(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    authorization = await done(gateway, stripe, AUTHORIZE)
    stripe.capture_by_hand(the_id(stripe), 1_200)
    effects = await effects_of(gateway, stripe)
    assert [(each.reference, each.kind) for each in effects] == [
        (authorization.reference, AUTHORIZE),
        (authorization.reference, CAPTURE),
    ]


async def test_a_refund_in_the_dashboard_is_in_the_books_for_nobody(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe)
    stripe.pass_time(60 * DAY)
    await done(gateway, stripe)
    for payment_id in stripe.payments:
        stripe.refund_by_hand(payment_id, 500)
    effects = [effect for effect in await effects_of(gateway, stripe) if effect.kind is REFUND]
    expected = Effect(
        reference="",
        kind=REFUND,
        amount=Money(amount_minor=500, currency="EUR"),
        at=stripe.now,
    )
    assert effects == [expected, expected]


async def test_a_refund_of_what_is_not_ours_is_not_in_our_books(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe)
    stripe.refund_by_hand(the_id(stripe), 500)
    stripe.payments[the_id(stripe)]["metadata"] = {"order": "somebody else's"}
    assert await effects_of(gateway, stripe) == []


async def test_what_is_let_go_of_is_no_refund(gateway: StripeGateway, stripe: StripeServer) -> None:
    await done(gateway, stripe, AUTHORIZE)
    part = Money(amount_minor=700, currency="EUR")
    capture = asked(stripe, CAPTURE, payment_id=the_id(stripe), amount=part)
    assert await gateway.execute(capture) == approved(stripe, capture)
    await done(gateway, stripe, AUTHORIZE)
    await done(gateway, stripe, VOID, list(stripe.payments)[-1])
    await done(gateway, stripe, AUTHORIZE)
    stripe.pass_time(8 * DAY)
    assert len(stripe.refunds) == 3
    kinds = [effect.kind for effect in await effects_of(gateway, stripe, 9 * DAY)]
    assert REFUND not in kinds


async def test_what_was_captured_in_part_may_be_refunded_in_the_dashboard(
    gateway: StripeGateway, stripe: StripeServer
) -> None:
    await done(gateway, stripe, AUTHORIZE)
    half = Money(amount_minor=1_000, currency="EUR")
    capture = asked(stripe, CAPTURE, payment_id=the_id(stripe), amount=half)
    assert await gateway.execute(capture) == approved(stripe, capture)
    stripe.pass_time(timedelta(hours=1))
    stripe.refund_by_hand(the_id(stripe), 1_000)
    effects = await effects_of(gateway, stripe)
    assert [each.amount for each in effects if each.kind is REFUND] == [half]


# The key.


async def test_the_key_shows_nowhere(
    stripe: StripeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = StripeClient(API_KEY, base_url=stripe.url)
    gateway, probe = StripeGateway(client, pauses=()), StripeProbe(client)
    stripe.faults.extend([Fault.NONE, Fault.LOSE_ANSWER, Fault.GARBAGE, Fault.WRONG_KEY])
    async with closing(client):
        for _ in range(3):
            await gateway.execute(asked(stripe))
        with pytest.raises(GatewayUnavailable) as unavailable:
            await effects_of(gateway, stripe)
        await probe.examine()
    shown = [*(repr(thing) for thing in (client, gateway, probe, unavailable.value)), caplog.text]
    assert not any(API_KEY in text for text in shown)
    assert unavailable.value.__cause__ is None


@pytest.mark.parametrize("key", ["", "sk test", "sk_test\r\nX-Evil: 1", "sk_tést", "s" * 256])
def test_a_key_that_no_header_can_hold_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="Stripe API key") as refusal:
        StripeClient(key)
    assert not key or key not in str(refusal.value)


# Whether it is there.


async def test_the_probe_finds_nothing_wrong_with_a_stripe_that_takes_our_key(
    client: StripeClient,
) -> None:
    assert (await StripeProbe(client).examine()).problem is None


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (Fault.WRONG_KEY, "HARBOR_STRIPE_API_KEY"),
        (Fault.LOSE_ANSWER, "HARBOR_STRIPE_API_BASE"),
        (Fault.GARBAGE, "HARBOR_STRIPE_API_BASE"),
        (Fault.ERROR_BEFORE, "status 500"),
    ],
)
async def test_the_probe_says_what_to_look_at(
    client: StripeClient, stripe: StripeServer, fault: Fault, word: str
) -> None:
    stripe.faults.append(fault)
    finding = await StripeProbe(client).examine()
    assert finding.problem is not None
    assert word in finding.problem
    assert not finding.required


@pytest.mark.parametrize(
    "hidden", ["/v1/payment_intents", "/v1/refunds", "latest_charge", "balance_transaction"]
)
async def test_the_probe_finds_what_a_restricted_key_may_not_see(
    gateway: StripeGateway, client: StripeClient, stripe: StripeServer, hidden: str
) -> None:
    stripe.hidden.add(hidden)
    with pytest.raises(GatewayUnavailable):
        await effects_of(gateway, stripe)
    problem = (await StripeProbe(client).examine()).problem
    assert problem is not None
    assert "HARBOR_STRIPE_API_KEY" in problem
