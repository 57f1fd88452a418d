"""What became of a key whose answer was lost."""

import asyncio
from datetime import timedelta

import pytest

from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.sql.idempotency import SqlIdempotencyStore
from application.look_up_idempotency_key import KeyOutcome, KeyState, LookUpIdempotencyKey
from application.once import ANSWER_KEPT
from application.place_order import PlaceOrderCommand
from application.ports.idempotency import Record, Standing
from tests.application.conftest import World
from tests.examples import a_key_record, a_new_key, a_record, a_request

pytestmark = pytest.mark.anyio


@pytest.fixture
def look_up(world: World) -> LookUpIdempotencyKey:
    return LookUpIdempotencyKey(answers=world.answers, orders=world.orders, clock=world.clock)


async def place(world: World) -> None:
    await world.place_order(PlaceOrderCommand(claim=world.claim(), request=a_request()))


async def test_a_key_nobody_used_was_never_seen(
    world: World, look_up: LookUpIdempotencyKey
) -> None:
    await place(world)
    found = await look_up(world.merchant_id, "another key")
    assert found == KeyOutcome(key="another key", state=KeyState.NEVER_SEEN)


async def test_another_merchants_key_was_never_seen(
    world: World, look_up: LookUpIdempotencyKey
) -> None:
    await place(world)
    assert (await look_up(world.ids.new(), "a key")).state is KeyState.NEVER_SEEN


async def test_a_completed_key_shows_its_answer_and_the_order_as_it_is_now(
    world: World, look_up: LookUpIdempotencyKey
) -> None:
    await place(world)
    found = await look_up(world.merchant_id, "a key")
    assert found.state is KeyState.COMPLETED
    assert found.answer == await world.answers.find(world.merchant_id, "a key")
    assert found.answer is not None
    assert found.order == await world.orders.get(world.merchant_id, found.answer.resource_id)
    assert found.order is not None


async def test_a_completed_key_that_made_no_order_shows_none(
    world: World, look_up: LookUpIdempotencyKey
) -> None:
    issued = a_new_key(world.merchant_id).key
    await world.answers.record(a_key_record(world.merchant_id, "a key", issued))
    found = await look_up(world.merchant_id, "a key")
    assert (found.state, found.order) == (KeyState.COMPLETED, None)


@pytest.mark.parametrize("cleared", [False, True])
async def test_an_expired_key_still_shows_the_order_it_made(
    world: World, look_up: LookUpIdempotencyKey, cleared: bool
) -> None:
    await place(world)
    world.clock.advance(ANSWER_KEPT - timedelta(microseconds=1))
    assert (await look_up(world.merchant_id, "a key")).state is KeyState.COMPLETED
    world.clock.advance(timedelta(microseconds=1))
    if cleared:
        assert await world.answers.drop_expired_bodies(world.clock.now(), 9) == 1
    found = await look_up(world.merchant_id, "a key")
    assert found.state is KeyState.EXPIRED
    assert found.order is not None


class HeldStore(SqlIdempotencyStore):
    """Holds each recording until it is let go."""

    reached: asyncio.Event
    let_go: asyncio.Event

    async def record(self, record: Record) -> Standing:
        self.reached.set()
        await self.let_go.wait()
        return await super().record(record)


async def test_a_key_that_is_being_worked_on_is_in_progress(world: World) -> None:
    held = HeldStore(world.database, world.clock)
    held.reached, held.let_go = asyncio.Event(), asyncio.Event()
    answers = SingleFlightIdempotency(held)
    look_up = LookUpIdempotencyKey(answers=answers, orders=world.orders, clock=world.clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(answers.record(a_record(world.merchant_id)))
        await held.reached.wait()
        running = await look_up(world.merchant_id, "a key")
        held.let_go.set()
    assert running == KeyOutcome(key="a key", state=KeyState.IN_PROGRESS)
    assert (await look_up(world.merchant_id, "a key")).state is KeyState.COMPLETED
