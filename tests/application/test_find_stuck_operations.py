"""Naming what waits for longer than it should."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text, update

from adapters.sql.tables import payment_operations
from application.find_stuck_operations import STUCK_AFTER, FindStuckOperations
from application.ports.readiness import Finding
from domain.order import Order
from domain.payment import PaymentOperation
from tests.application.conftest import World
from tests.examples import GATEWAY

pytestmark = pytest.mark.anyio

INSTANT = timedelta(microseconds=1)


async def problem(world: World, gateway: str = GATEWAY) -> str | None:
    finding = await FindStuckOperations(world.history, world.clock, gateway).examine()
    assert finding == Finding(name="operations", problem=finding.problem, required=False)
    return finding.problem


async def the_only(world: World, order: Order) -> PaymentOperation:
    (tried,) = (await world.told(order)).operations
    return tried.operation


async def test_what_has_just_been_asked_for_is_not_stuck(world: World) -> None:
    await world.place()
    world.clock.advance(STUCK_AFTER)
    assert await problem(world) is None


async def test_what_has_an_outcome_is_not_stuck(world: World) -> None:
    await world.paid("paid")
    await world.authorized("held")
    await world.place("failed", payment_method="sim_decline")
    await world.cancel(await world.place("withdrawn"))
    await world.work()
    world.clock.advance(timedelta(days=400))
    assert await problem(world) is None


async def test_what_was_never_sent_needs_a_worker(world: World) -> None:
    order = await world.place()
    world.clock.advance(STUCK_AFTER + INSTANT)
    operation = await the_only(world, order)
    assert await problem(world) == (
        "A payment operation has had no outcome for a minute:"
        f" charge {operation.id} of order {order.id} was never sent: run `harbor worker`."
    )


async def test_what_is_unknown_is_named_with_its_attempts_and_its_problem(world: World) -> None:
    order = await world.place(payment_method="sim_error")
    await world.work()
    await world.work_after(timedelta(seconds=2))
    world.clock.advance(STUCK_AFTER)
    operation = await the_only(world, order)
    told = await problem(world)
    assert told is not None
    assert f"charge {operation.id} of order {order.id} is unknown" in told
    assert "after 2 attempts (gateway_error)" in told


async def test_what_nobody_recorded_an_answer_for_is_named_so(world: World) -> None:
    await world.place()
    await world.worker().claim(10)
    world.clock.advance(STUCK_AFTER + INSTANT)
    told = await problem(world)
    assert told is not None
    assert "is unknown after 1 attempts (no answer was recorded)" in told


async def test_what_the_gateway_knows_nothing_of_is_for_a_person_and_is_never_sent_again(
    world: World,
) -> None:
    order = await world.place()
    await world.worker().claim(10)
    for _ in range(3):
        await world.work_after(timedelta(hours=25))
    operation = await the_only(world, order)
    told = await problem(world)
    assert told is not None
    assert (
        f"charge {operation.id} of order {order.id} is unknown, and the gateway knows nothing of"
        " it: look at its books, then say what became of it with"
        f" `harbor operation settle {operation.id}`"
    ) in told
    assert await world.done() == []


async def test_what_is_for_a_gateway_that_nobody_asks_is_named_with_it(world: World) -> None:
    order = await world.place()
    world.clock.advance(STUCK_AFTER + INSTANT)
    told = await problem(world, "another")
    assert told is not None
    assert f"of order {order.id} is for the gateway simulated, which nobody asks here" in told


async def test_of_very_many_the_ten_oldest_are_named(world: World) -> None:
    orders = []
    for number in range(12):
        orders.append(await world.place(f"order {number}"))
        world.clock.advance(INSTANT)
    world.clock.advance(STUCK_AFTER)
    told = await problem(world)
    assert told is not None
    assert told.startswith("More than 10 payment operations have had no outcome for a minute: ")
    assert [str(order.id) in told for order in orders] == [True] * 10 + [False] * 2


async def test_a_database_that_cannot_be_asked_is_told_of(world: World) -> None:
    async with world.database.transaction() as connection:
        await connection.execute(text("ALTER TABLE payment_operations RENAME TO elsewhere"))
    assert await problem(world) == "The database cannot be reached."


async def test_another_merchants_operations_are_found_too(world: World) -> None:
    stranger = replace(world, merchant_id=world.ids.new())
    order = await stranger.place()
    async with world.database.transaction() as connection:
        await connection.execute(update(payment_operations).values(problem="timeout"))
    world.clock.advance(STUCK_AFTER + INSTANT)
    told = await problem(world)
    assert told is not None
    assert str(order.id) in told
