"""Comparing our books with the gateway's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import text, update

from adapters.sql.tables import payment_operations
from application.ports.faults import StorageUnavailable
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable
from application.reconcile import Comparison, Difference, Found, Reconcile
from domain.order import Order
from domain.payment import (
    Approved,
    OperationKind,
    OperationState,
    Outcome,
    PaymentOperation,
    Unknown,
)
from tests.application.conftest import A_WHILE, World
from tests.application.scripted_gateway import ScriptedGateway
from tests.examples import EPOCH
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

SETTLED_WITHIN: Final = timedelta(minutes=5)


async def compare(world: World, since: datetime = EPOCH) -> Comparison:
    reconcile = Reconcile(
        history=world.history,
        gateway=world.gateway,
        clock=world.clock,
        settled_within=SETTLED_WITHIN,
    )
    return await reconcile(since)


async def the_difference(world: World) -> Found:
    (found,) = (await compare(world)).differences
    return found


async def edit(world: World, order: Order, **values: Any) -> None:
    """Our row of the order's operations, behind everybody's back."""
    where = payment_operations.c.order_id == order.id
    async with world.database.transaction() as connection:
        await connection.execute(update(payment_operations).where(where).values(**values))


async def do_behind_our_back(world: World, operation: PaymentOperation, **changes: Any) -> None:
    """What the gateway is made to do by somebody else, under a key of theirs."""
    request = replace(GatewayRequest.of(operation), key="a person", **changes)
    assert isinstance(await world.gateway.execute(request), Approved)


async def operation_of(world: World, order: Order) -> PaymentOperation:
    """The last one."""
    return (await world.told(order)).operations[-1].operation


async def a_bit_of_everything(world: World) -> int:
    """Orders in every status; how many operations the two sides have seen."""
    await world.paid("paid")
    await world.refund(await world.paid("refunded"), 400, key="refund")
    await world.capture(await world.authorized("captured"), 300, key="capture")
    await world.cancel(await world.authorized("canceled"), key="cancel")
    await world.cancel(await world.place("withdrawn"), key="withdraw")
    await world.place("failed", payment_method="sim_decline")
    await world.authorized("held")
    await world.work()
    await world.authorized("will lapse")
    await world.place("waiting")
    return 12


async def test_two_books_that_agree_have_no_difference(world: World) -> None:
    operations = await a_bit_of_everything(world)
    comparison = await compare(world)
    assert comparison == Comparison(checked=operations, differences=())
    await world.work_after(timedelta(days=8))
    assert (await compare(world)).differences == ()


async def test_books_that_are_empty_agree(world: World) -> None:
    assert await compare(world) == Comparison(checked=0, differences=())


@pytest.mark.parametrize("page", [1, 2, 3, 7])
async def test_books_of_several_pages_are_compared_to_the_last_line(
    world: World, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.reconcile._PAGE", page)
    operations = await a_bit_of_everything(world)
    assert await compare(world) == Comparison(checked=operations, differences=())
    doubled, lost = await world.paid("doubled"), await world.place("lost")
    await do_behind_our_back(world, await operation_of(world, doubled))
    await edit(world, lost, state=OperationState.SUCCEEDED.value)
    comparison = await compare(world)
    assert comparison.checked == operations + 2
    assert {(each.kind, each.order_id) for each in comparison.differences} == {
        (Difference.DOUBLE_EFFECT, doubled.id),
        (Difference.DONE_HERE_ONLY, lost.id),
    }


async def test_only_what_was_done_since_then_is_compared(world: World) -> None:
    await world.paid()
    world.clock.advance(A_WHILE)
    assert await compare(world, NOW + timedelta(minutes=1)) == Comparison(checked=0, differences=())


# What can differ.


async def test_what_the_gateway_did_twice_is_found(world: World) -> None:
    order = await world.paid()
    operation = await operation_of(world, order)
    await do_behind_our_back(world, operation)
    assert await the_difference(world) == Found(
        order_id=order.id,
        kind=Difference.DOUBLE_EFFECT,
        ours=f"charge of 10.00 EUR, succeeded: {operation.id}",
        gateway=f"charge of 10.00 EUR for {operation.id}",
    )


@pytest.mark.parametrize("reference", ["a person", "01900000-0000-7000-8000-00000000abcd"])
async def test_what_the_gateway_did_for_nobody_of_ours_is_found(
    world: World, reference: str
) -> None:
    order = await world.paid()
    operation = await operation_of(world, order)
    await do_behind_our_back(world, operation, reference=reference)
    assert await the_difference(world) == Found(
        order_id=None,
        kind=Difference.NOT_OURS,
        ours="nothing",
        gateway=f"charge of 10.00 EUR for {reference}",
    )


@pytest.mark.parametrize("change", [{"amount_minor": 999}, {"currency": "USD"}], ids=str)
async def test_another_amount_is_found(world: World, change: dict[str, object]) -> None:
    order = await world.paid()
    await edit(world, order, **change)
    found = await the_difference(world)
    assert (found.kind, found.order_id) == (Difference.ANOTHER_AMOUNT, order.id)
    operation = await operation_of(world, order)
    assert found.ours == f"charge of {operation.amount}, succeeded: {operation.id}"
    assert found.gateway == f"charge of 10.00 EUR for {operation.id}"


async def test_another_kind_is_found(world: World) -> None:
    order = await world.paid()
    await edit(world, order, kind=OperationKind.AUTHORIZE.value)
    found = await the_difference(world)
    assert (found.kind, found.order_id) == (Difference.ANOTHER_KIND, order.id)
    operation = await operation_of(world, order)
    assert found.ours == f"authorize of 10.00 EUR, succeeded: {operation.id}"


@pytest.mark.parametrize("state", [OperationState.FAILED, OperationState.WITHDRAWN])
async def test_what_was_done_there_and_failed_here_is_found(
    world: World, state: OperationState
) -> None:
    order = await world.paid()
    await edit(world, order, state=state.value)
    found = await the_difference(world)
    assert (found.kind, found.order_id) == (Difference.DONE_THERE_ONLY, order.id)


async def test_an_authorization_that_lapsed_was_done_and_failed_without_a_difference(
    world: World,
) -> None:
    order = await world.authorized()
    await world.work_after(timedelta(days=7))
    assert (await operation_of(world, order)).state is OperationState.FAILED
    assert (await compare(world)).differences == ()


async def test_what_was_done_here_and_not_there_is_found(world: World) -> None:
    order = await world.place()
    await edit(world, order, state=OperationState.SUCCEEDED.value)
    operation = await operation_of(world, order)
    assert await the_difference(world) == Found(
        order_id=order.id,
        kind=Difference.DONE_HERE_ONLY,
        ours=f"charge of 10.00 EUR, succeeded: {operation.id}",
        gateway="nothing",
    )


async def test_an_authorization_that_is_held_here_and_not_there_is_found(world: World) -> None:
    order = await world.place(manual=True)
    await edit(world, order, state=OperationState.HELD.value)
    assert (await the_difference(world)).kind is Difference.DONE_HERE_ONLY


@pytest.mark.parametrize("claimed", [True, False])
async def test_what_was_done_there_and_is_not_settled_here_in_time_is_found(
    world: World, claimed: bool
) -> None:
    order = await world.place()
    if claimed:
        await world.claim_one(world.worker())
    operation = await operation_of(world, order)
    assert isinstance(await world.gateway.execute(GatewayRequest.of(operation)), Approved)
    assert (await compare(world)).differences == ()
    world.clock.advance(SETTLED_WITHIN)
    assert (await compare(world)).differences == ()
    world.clock.advance(timedelta(microseconds=1))
    found = await the_difference(world)
    assert (found.kind, found.order_id) == (Difference.NOT_SETTLED_HERE, order.id)
    state = "unknown" if claimed else "pending"
    assert found.ours == f"charge of 10.00 EUR, {state}: {operation.id}"


async def test_every_difference_is_told_and_not_only_the_first(world: World) -> None:
    twice, once, lost = [await world.paid(key) for key in ("twice", "once", "lost")]
    for key in ("one", "two"):
        request = replace(GatewayRequest.of(await operation_of(world, twice)), key=key)
        await world.gateway.execute(request)
    await edit(world, once, amount_minor=1)
    await edit(world, lost, state=OperationState.FAILED.value)
    comparison = await compare(world)
    assert comparison.checked == 3
    assert sorted((each.kind, each.order_id) for each in comparison.differences) == sorted(
        [
            (Difference.DOUBLE_EFFECT, twice.id),
            (Difference.DOUBLE_EFFECT, twice.id),
            (Difference.ANOTHER_AMOUNT, once.id),
            (Difference.DONE_THERE_ONLY, lost.id),
        ]
    )


async def test_what_another_gateway_has_to_do_is_not_looked_for_here(world: World) -> None:
    order = await world.place()
    await edit(world, order, state=OperationState.SUCCEEDED.value, gateway="another")
    assert await compare(world) == Comparison(checked=0, differences=())


# When one side cannot be asked.


class Closed(ScriptedGateway):
    """Its books cannot be read."""

    async def effects(self, since: datetime) -> AsyncIterator[Effect]:
        raise GatewayUnavailable("closed")
        yield


async def test_books_that_cannot_be_read_are_no_agreement(world: World) -> None:
    with pytest.raises(GatewayUnavailable):
        await compare(replace(world, gateway=Closed(world.clock)))


async def test_our_books_that_cannot_be_read_are_no_agreement(world: World) -> None:
    await world.paid()
    await world.database.close()
    async with world.database.transaction() as connection:
        await connection.execute(text("ALTER TABLE payment_operations RENAME TO elsewhere"))
    with pytest.raises(StorageUnavailable):
        await compare(world)


class Silent(ScriptedGateway):
    """Its books can be read, and then it cannot be asked about one operation."""

    async def find(self, request: GatewayRequest) -> Outcome | None:
        return Unknown("gateway_error")


async def test_what_the_gateway_cannot_be_asked_about_is_not_missing_there(world: World) -> None:
    """Its effect was before the comparison's time by the gateway's clock."""
    await world.paid()
    with pytest.raises(GatewayUnavailable):
        await compare(replace(world, gateway=Silent(world.clock)))
