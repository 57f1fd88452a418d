"""What capturing, canceling and refunding have in common when others change the order too."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.change_order import ChangeOrder, WhichOrder, made_order
from application.once import Answer
from application.pages import Page, Position
from application.ports.faults import StorageUnavailable
from application.ports.orders import ListedOrder, OrderFilter, Orders
from domain.order import Order, OrderStatus
from tests.application.conftest import World

pytestmark = pytest.mark.anyio


class Reading(Orders):
    """Another store's orders; `get` can be changed."""

    def __init__(self, inner: Orders) -> None:
        self._inner = inner
        self.reads = 0

    async def get(self, merchant_id: UUID, order_id: UUID) -> Order | None:
        self.reads += 1
        return await self._inner.get(merchant_id, order_id)

    async def page(
        self, which: OrderFilter, after: Position | None, limit: int
    ) -> Page[ListedOrder]:
        return await self._inner.page(which, after, limit)


class Stale(Reading):
    """Shows the order as it was before somebody changed it, so many times."""

    def __init__(self, inner: Orders, before: Order, times: int) -> None:
        super().__init__(inner)
        self._before = before
        self._times = times

    async def get(self, merchant_id: UUID, order_id: UUID) -> Order | None:
        found = await super().get(merchant_id, order_id)
        return self._before if self.reads <= self._times else found


class Held(Reading):
    """Whoever reads an order waits for `free`."""

    def __init__(self, inner: Orders) -> None:
        super().__init__(inner)
        self.read = asyncio.Event()
        self.free = asyncio.Event()

    async def get(self, merchant_id: UUID, order_id: UUID) -> Order | None:
        found = await super().get(merchant_id, order_id)
        self.read.set()
        await self.free.wait()
        return found


async def cancel(world: World, change_order: ChangeOrder, order: Order, key: str) -> Answer:
    claim = world.claim(key, route=f"POST /v1/orders/{order.id}/cancel")
    return await change_order(
        claim,
        WhichOrder(id=order.id),
        Order.request_cancel,
        lambda change: made_order(change, 200),
    )


async def changed_meanwhile(world: World) -> tuple[Order, Order]:
    """An order, as it was before it was authorized and as it is."""
    before = await world.place(manual=True)
    await world.work()
    return before, await world.order(before.id)


@pytest.mark.parametrize("times", [1, 4])
async def test_an_order_that_changes_meanwhile_is_read_again_and_changed_as_it_is_then(
    world: World, times: int
) -> None:
    before, now = await changed_meanwhile(world)
    orders = Stale(world.orders, before, times)
    await cancel(world, replace(world, orders=orders).change_order, before, "a cancel")
    assert orders.reads == times + 1
    asked = await world.order(now.id)
    # As an authorized order is canceled, not as a pending one.
    assert (asked.status, asked.version) == (OrderStatus.PROCESSING, now.version + 1)


async def test_an_order_that_changes_each_time_is_unavailable_and_the_key_stays_usable(
    world: World,
) -> None:
    before, now = await changed_meanwhile(world)
    orders = Stale(world.orders, before, 5)
    change_order = replace(world, orders=orders).change_order
    with pytest.raises(StorageUnavailable):
        await cancel(world, change_order, before, "a cancel")
    assert await world.order(now.id) == now
    assert await world.answers.find(world.merchant_id, "a cancel") is None
    assert not (await cancel(world, change_order, before, "a cancel")).replayed


async def test_a_duplicate_that_read_the_order_too_early_gets_the_first_answer(
    world: World,
) -> None:
    """As with two processes that are sent the same request at once."""
    order = await world.authorized()
    first = await world.capture(order)
    world.clock.advance(timedelta(seconds=1))
    late = replace(world, orders=Stale(world.orders, order, 1))
    assert await late.capture(order) == replace(first, replayed=True)


async def test_who_changes_one_order_takes_turns_and_hinders_nobody_elses(world: World) -> None:
    one, other = await world.place("one"), await world.place("other")
    held = Held(world.orders)
    change_order = replace(world, orders=held).change_order
    first = asyncio.create_task(cancel(world, change_order, one, "first"))
    await held.read.wait()
    held.read.clear()
    second = asyncio.create_task(cancel(world, change_order, one, "second"))
    another = asyncio.create_task(cancel(world, change_order, other, "third"))
    await held.read.wait()
    # Of those who change the first order one reads it, the other waits.
    assert held.reads == 2
    held.free.set()
    answers = await asyncio.gather(first, second, another, return_exceptions=True)
    assert [isinstance(answer, Answer) for answer in answers] == [True, False, True]


async def test_who_has_waited_too_long_for_a_turn_goes_ahead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.change_order._TURN_SECONDS", 0.01)
    order = await world.place()
    held = Held(world.orders)
    change_order = replace(world, orders=held).change_order
    changing = [
        asyncio.create_task(cancel(world, change_order, order, key)) for key in ("one", "two")
    ]
    for _ in changing:
        await held.read.wait()
        held.read.clear()
    held.free.set()
    answers = await asyncio.gather(*changing, return_exceptions=True)
    assert sorted(isinstance(answer, Answer) for answer in answers) == [False, True]
    assert (await world.order(order.id)).version == 2
