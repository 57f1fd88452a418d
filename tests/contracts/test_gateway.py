"""What `application/ports/gateway.py` promises, over every adapter of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable
from domain.money import Money
from domain.payment import (
    AUTHORIZATION_EXPIRED,
    Approved,
    Declined,
    OperationKind,
    Outcome,
    Unknown,
)
from tests.contracts import gateways
from tests.contracts.gateways import GatewayStage, ids
from tests.contracts.stripe_stage import stripe_there
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

STAGES = gateways.STAGES | {"stripe": stripe_there}
A_DAY_AND_MORE = timedelta(hours=25)
A_WEEK_AND_MORE = timedelta(days=8)


@pytest.fixture(params=STAGES)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[GatewayStage]:
    async with STAGES[request.param](tmp_path) as opened:
        yield opened


def euros(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor, currency="EUR")


def a_request(kind: OperationKind = OperationKind.CHARGE, **changes: Any) -> GatewayRequest:
    operation_id = str(ids.new())
    request = GatewayRequest(
        key=operation_id,
        reference=operation_id,
        kind=kind,
        amount=euros(1999),
        payment_method=None,
        payment_id=None,
        asked_at=NOW,
    )
    return replace(request, **changes)


def about(payment: Approved, kind: OperationKind, amount: Money | None = None) -> GatewayRequest:
    """A new operation on what the gateway has approved."""
    return a_request(kind, payment_id=payment.payment_id, amount=amount or payment.amount)


def approved(outcome: Outcome | None, request: GatewayRequest) -> Approved:
    """The outcome, which is an approval of just what was asked for."""
    assert isinstance(outcome, Approved), outcome
    assert (outcome.reference, outcome.amount) == (request.reference, request.amount)
    return outcome


def declined(outcome: Outcome | None) -> str:
    """The code of the outcome, which is a decline that a person can understand."""
    assert isinstance(outcome, Declined), outcome
    assert outcome.failure.message
    return outcome.failure.code


async def do(stage: GatewayStage, request: GatewayRequest) -> Approved:
    return approved(await stage.gateway.execute(request), request)


async def ask_in_vain(stage: GatewayStage, request: GatewayRequest) -> None:
    """Ask, and leave when the gateway has done what it does without a word."""
    asking = asyncio.create_task(stage.gateway.execute(request))
    await stage.dealt_with(request)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        assert isinstance(await asking, Unknown)


async def books(stage: GatewayStage, *requests: GatewayRequest) -> list[Effect]:
    """What the adapter says was done for the requests."""
    references = {request.reference for request in requests}
    since = NOW - timedelta(days=1)
    return [each async for each in stage.gateway.effects(since) if each.reference in references]


# Charging.


async def test_a_charge_that_is_approved_is_on_the_books(stage: GatewayStage) -> None:
    request = a_request(payment_method=stage.methods.approves)
    payment = await do(stage, request)
    assert payment.payment_id
    assert approved(await stage.gateway.find(request), request) == payment
    assert await stage.effects_of(request.reference) == [request.amount]


async def test_the_default_payment_method_is_approved(stage: GatewayStage) -> None:
    assert stage.gateway.accepts(None)
    await do(stage, a_request())


async def test_a_decline_is_definite_and_every_repeat_says_the_same(stage: GatewayStage) -> None:
    request = a_request(payment_method=stage.methods.declines)
    first = await stage.gateway.execute(request)
    assert declined(first) == "card_declined"
    assert [await stage.gateway.execute(request) for _ in range(3)] == [first] * 3
    assert await stage.gateway.find(request) == first
    assert await stage.effects_of(request.reference) == []


async def test_only_its_own_payment_methods_are_accepted(stage: GatewayStage) -> None:
    methods = stage.methods
    own = (methods.approves, methods.declines, methods.loses_answer, methods.loses_request)
    assert all(stage.gateway.accepts(name) for name in own)
    assert not any(stage.gateway.accepts(name) for name in (methods.unknown, "", "4242" * 4))


async def test_every_currency_is_charged_in_its_own_minor_unit(stage: GatewayStage) -> None:
    for currency in ("EUR", "JPY", "KWD"):
        await do(stage, a_request(amount=Money(amount_minor=4_000, currency=currency)))


# Once for each key.


async def test_the_same_key_twice_is_one_effect_and_one_outcome(stage: GatewayStage) -> None:
    request = a_request()
    assert await do(stage, request) == await do(stage, request)
    assert await stage.effects_of(request.reference) == [request.amount]


async def test_twenty_at_once_with_one_key_are_one_effect(stage: GatewayStage) -> None:
    request = a_request()
    outcomes = await asyncio.gather(*(stage.gateway.execute(request) for _ in range(20)))
    # A gateway may say that one of them is under way, but never two things.
    assert len({each for each in outcomes if not isinstance(each, Unknown)}) == 1
    await do(stage, request)
    assert await stage.effects_of(request.reference) == [request.amount]


async def test_a_key_cannot_stand_for_another_request(stage: GatewayStage) -> None:
    first = a_request()
    await do(stage, first)
    for other in (
        replace(first, amount=euros(1)),
        replace(first, amount=Money(amount_minor=1999, currency="USD")),
        replace(first, payment_method=stage.methods.approves),
    ):
        assert await stage.gateway.execute(other) == Unknown("key_reused")
    assert await stage.effects_of(first.reference) == [first.amount]


async def test_a_key_is_remembered_for_as_long_as_is_promised(stage: GatewayStage) -> None:
    request = a_request()
    await do(stage, request)
    stage.pass_time(stage.gateway.remembers_keys_for - timedelta(minutes=1))
    await do(stage, request)
    assert await stage.effects_of(request.reference) == [request.amount]


async def test_what_was_done_is_found_when_the_key_is_forgotten(stage: GatewayStage) -> None:
    request = a_request()
    payment = await do(stage, request)
    stage.pass_time(A_DAY_AND_MORE)
    assert approved(await stage.gateway.find(request), request) == payment


# Answers that are lost.


async def test_what_was_done_without_an_answer_is_found(stage: GatewayStage) -> None:
    request = a_request(payment_method=stage.methods.loses_answer)
    await ask_in_vain(stage, request)
    found = approved(await stage.gateway.find(request), request)
    assert await do(stage, request) == found
    assert await stage.effects_of(request.reference) == [request.amount]


async def test_what_did_not_get_there_is_not_known_and_can_be_sent_again(
    stage: GatewayStage,
) -> None:
    request = a_request(payment_method=stage.methods.loses_request)
    await ask_in_vain(stage, request)
    assert await stage.gateway.find(request) is None
    await do(stage, request)
    assert await stage.effects_of(request.reference) == [request.amount]


async def test_nothing_is_known_of_what_nobody_sent_and_looking_does_nothing(
    stage: GatewayStage,
) -> None:
    request = a_request()
    for _ in range(3):
        assert await stage.gateway.find(request) is None
    assert await stage.effects_of(request.reference) == []


async def test_a_canceled_call_leaves_the_gateway_as_it_was(stage: GatewayStage) -> None:
    requests = [a_request() for _ in range(30)]
    for turns, request in enumerate(requests):
        asking = asyncio.create_task(stage.gateway.execute(request))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    await asyncio.gather(*(do(stage, request) for request in requests))
    for request in requests:
        assert await stage.effects_of(request.reference) == [request.amount]


async def test_a_gateway_out_of_reach_is_unknown_and_raises_nothing(stage: GatewayStage) -> None:
    nowhere = stage.out_of_reach()
    if nowhere is None:
        pytest.skip("there is no network between")
    request = a_request()
    assert await nowhere.execute(request) == Unknown("unreachable", untouched=True)
    assert await nowhere.find(request) == Unknown("unreachable")
    with pytest.raises(GatewayUnavailable):
        await anext(nowhere.effects(NOW))
    await nowhere.close()


# Authorizing, capturing, voiding.


async def test_a_part_of_an_authorization_is_captured(stage: GatewayStage) -> None:
    authorizing = a_request(OperationKind.AUTHORIZE)
    authorization = await do(stage, authorizing)
    capture = about(authorization, OperationKind.CAPTURE, euros(500))
    captured = await do(stage, capture)
    assert approved(await stage.gateway.find(capture), capture) == captured
    # The authorization itself was and stays granted.
    approved(await stage.gateway.find(authorizing), authorizing)
    assert await stage.effects_of(capture.reference) == [euros(500)]


async def test_a_second_capture_is_declined(stage: GatewayStage) -> None:
    authorization = await do(stage, a_request(OperationKind.AUTHORIZE))
    await do(stage, about(authorization, OperationKind.CAPTURE, euros(500)))
    again = about(authorization, OperationKind.CAPTURE, euros(500))
    assert declined(await stage.gateway.execute(again)) == "not_capturable"
    assert await stage.effects_of(again.reference) == []


async def test_of_captures_at_once_one_is_approved(stage: GatewayStage) -> None:
    authorization = await do(stage, a_request(OperationKind.AUTHORIZE))
    captures = [about(authorization, OperationKind.CAPTURE, euros(500)) for _ in range(10)]
    await asyncio.gather(*(stage.gateway.execute(each) for each in captures))
    settled = [await stage.gateway.execute(each) for each in captures]
    assert [type(each) for each in settled].count(Approved) == 1
    assert [type(each) for each in settled].count(Declined) == 9


async def test_more_than_was_authorized_cannot_be_captured(stage: GatewayStage) -> None:
    authorization = await do(stage, a_request(OperationKind.AUTHORIZE))
    too_much = about(authorization, OperationKind.CAPTURE, euros(2000))
    declined(await stage.gateway.execute(too_much))
    await do(stage, about(authorization, OperationKind.CAPTURE))


async def test_what_was_voided_cannot_be_captured_or_voided_again(stage: GatewayStage) -> None:
    authorization = await do(stage, a_request(OperationKind.AUTHORIZE))
    void = about(authorization, OperationKind.VOID)
    voided = await do(stage, void)
    assert approved(await stage.gateway.find(void), void) == voided
    capture = about(authorization, OperationKind.CAPTURE)
    assert declined(await stage.gateway.execute(capture)) == "not_capturable"
    again = about(authorization, OperationKind.VOID)
    assert declined(await stage.gateway.execute(again)) == "not_voidable"


async def test_what_was_captured_cannot_be_voided(stage: GatewayStage) -> None:
    authorization = await do(stage, a_request(OperationKind.AUTHORIZE))
    await do(stage, about(authorization, OperationKind.CAPTURE))
    void = about(authorization, OperationKind.VOID)
    assert declined(await stage.gateway.execute(void)) == "not_voidable"


@pytest.mark.parametrize("kind", [OperationKind.CAPTURE, OperationKind.VOID])
async def test_an_authorization_lapses(stage: GatewayStage, kind: OperationKind) -> None:
    authorizing = a_request(OperationKind.AUTHORIZE)
    authorization = await do(stage, authorizing)
    stage.pass_time(A_WEEK_AND_MORE)
    late = about(authorization, kind)
    assert declined(await stage.gateway.execute(late)) == AUTHORIZATION_EXPIRED
    assert declined(await stage.gateway.find(authorizing)) == AUTHORIZATION_EXPIRED
    assert await stage.effects_of(late.reference) == []


async def test_what_was_captured_in_time_does_not_lapse(stage: GatewayStage) -> None:
    authorizing = a_request(OperationKind.AUTHORIZE)
    authorization = await do(stage, authorizing)
    await do(stage, about(authorization, OperationKind.CAPTURE))
    stage.pass_time(A_WEEK_AND_MORE)
    approved(await stage.gateway.find(authorizing), authorizing)


async def test_what_was_voided_was_granted_and_does_not_lapse(stage: GatewayStage) -> None:
    authorizing = a_request(OperationKind.AUTHORIZE)
    authorization = await do(stage, authorizing)
    await do(stage, about(authorization, OperationKind.VOID))
    approved(await stage.gateway.find(authorizing), authorizing)
    stage.pass_time(A_WEEK_AND_MORE)
    approved(await stage.gateway.find(authorizing), authorizing)


async def test_what_does_not_exist_cannot_be_captured_voided_or_refunded(
    stage: GatewayStage,
) -> None:
    nothing = Approved(reference="", amount=euros(1), payment_id=stage.methods.missing_payment)
    for kind in (OperationKind.CAPTURE, OperationKind.VOID, OperationKind.REFUND):
        request = about(nothing, kind)
        assert declined(await stage.gateway.execute(request)) == "payment_not_found"
        assert await stage.effects_of(request.reference) == []


# Refunding.


async def test_a_payment_is_refunded_in_parts_and_not_beyond(stage: GatewayStage) -> None:
    payment = await do(stage, a_request(amount=euros(1000)))
    for amount in (300, 700):
        refund = about(payment, OperationKind.REFUND, euros(amount))
        refunded = await do(stage, refund)
        assert approved(await stage.gateway.find(refund), refund) == refunded
    beyond = about(payment, OperationKind.REFUND, euros(1))
    assert declined(await stage.gateway.execute(beyond)) == "refund_too_large"


async def test_no_more_is_refunded_than_was_captured(stage: GatewayStage) -> None:
    authorization = await do(stage, a_request(OperationKind.AUTHORIZE, amount=euros(1000)))
    await do(stage, about(authorization, OperationKind.CAPTURE, euros(400)))
    too_much = about(authorization, OperationKind.REFUND, euros(401))
    assert declined(await stage.gateway.execute(too_much)) == "refund_too_large"
    await do(stage, about(authorization, OperationKind.REFUND, euros(400)))


async def test_refunds_at_once_never_exceed_what_was_captured(stage: GatewayStage) -> None:
    payment = await do(stage, a_request(amount=euros(1000)))
    refunds = [about(payment, OperationKind.REFUND, euros(300)) for _ in range(10)]
    await asyncio.gather(*(stage.gateway.execute(each) for each in refunds))
    settled = [await stage.gateway.execute(each) for each in refunds]
    assert [type(each) for each in settled].count(Approved) == 3
    assert [type(each) for each in settled].count(Declined) == 7
    effects = [await stage.effects_of(each.reference) for each in refunds]
    assert sorted(map(len, effects)) == [0] * 7 + [1] * 3


# The books.


async def test_the_books_show_all_that_was_done_and_nothing_else(stage: GatewayStage) -> None:
    charge, authorizing = a_request(), a_request(OperationKind.AUTHORIZE)
    refused = a_request(payment_method=stage.methods.declines)
    payment, authorization = await do(stage, charge), await do(stage, authorizing)
    await stage.gateway.execute(refused)
    refund = about(payment, OperationKind.REFUND, euros(5))
    capture = about(authorization, OperationKind.CAPTURE, euros(500))
    await do(stage, refund)
    await do(stage, capture)
    done = [charge, authorizing, refund, capture]
    assert {
        (effect.reference, effect.kind, effect.amount)
        for effect in await books(stage, *done, refused)
    } == {(request.reference, request.kind, request.amount) for request in done}


async def test_an_effect_that_was_forced_twice_is_on_the_books_twice(stage: GatewayStage) -> None:
    request = a_request()
    await do(stage, request)
    stage.pass_time(A_DAY_AND_MORE)
    await do(stage, request)
    assert await stage.effects_of(request.reference) == [request.amount] * 2
    first, second = await books(stage, request)
    assert {first.amount, second.amount} == {request.amount}
    assert first.at != second.at


async def test_the_books_begin_where_they_are_asked_to(stage: GatewayStage) -> None:
    before, after = a_request(), a_request()
    await do(stage, before)
    stage.pass_time(timedelta(hours=2))
    await do(stage, after)
    (second,) = await books(stage, after)
    since = [effect.reference async for effect in stage.gateway.effects(second.at)]
    assert after.reference in since
    assert before.reference not in since


async def test_books_of_many_pages_are_whole(stage: GatewayStage) -> None:
    requests = [a_request() for _ in range(1_100)]
    for start in range(0, len(requests), 100):
        await asyncio.gather(*(do(stage, each) for each in requests[start : start + 100]))
    shown = [effect.reference for effect in await books(stage, *requests)]
    assert sorted(shown) == sorted(request.reference for request in requests)
