"""The worker's work: claimed, asked, recorded, whatever the gateway does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import pytest

from adapters.sql.database import Database
from application.find_stuck_operations import FindStuckOperations
from application.ports.faults import StorageUnavailable
from application.ports.payment_operations import Decide, Result, Work
from application.run_payment_operations import Claimed, RunPaymentOperations
from domain.money import Money
from domain.order import Order, OrderStatus
from domain.payment import Approved, Declined, Failure, OperationState, PaymentOperation, Unknown
from domain.settlement import LOOKED_AT_EVERY
from tests.application.conftest import A_WHILE, Passing, World, a_world
from tests.application.scripted_gateway import Call, ScriptedGateway
from tests.examples import GATEWAY
from tests.fakes import FakeClock

pytestmark = pytest.mark.anyio

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
SECOND: Final = timedelta(seconds=1)
LEASE: Final = timedelta(seconds=30)


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway(FakeClock())


@pytest.fixture
async def scripted(sqlite_database: Database, gateway: ScriptedGateway) -> AsyncIterator[World]:
    """A world whose gateway waits to be told what to do."""
    clock = FakeClock()
    gateway.clock = clock
    async with a_world(sqlite_database, gateway, clock) as made:
        yield made


class Asking:
    """A worker that carries out what it has claimed, as far as the gateway's next answer."""

    def __init__(self, world: World, gateway: ScriptedGateway, claimed: Claimed) -> None:
        self._gateway = gateway
        self.operation = claimed.work.operation
        worker = world.worker(answer=DAY)
        self.task = asyncio.create_task(worker.carry_out(claimed))

    async def call(self) -> Call:
        found = await self._gateway.next_call(self.task)
        assert found is not None
        return found

    async def is_done(self) -> None:
        """Without asking for more."""
        assert await self._gateway.next_call(self.task) is None
        await self.task


async def ask(world: World, gateway: ScriptedGateway) -> Asking:
    return Asking(world, gateway, await world.claim_one(world.worker()))


async def operation_of(world: World, order: Order) -> PaymentOperation:
    """The last one."""
    return (await world.told(order)).operations[-1].operation


# The simulated gateway's payment methods end as the contract says.


@pytest.mark.parametrize("step", [3 * SECOND, A_WHILE], ids=["often", "seldom"])
@pytest.mark.parametrize(
    ("method", "code"),
    [
        (None, None),
        ("sim_approve", None),
        ("sim_decline", "card_declined"),
        ("sim_insufficient_funds", "insufficient_funds"),
        ("sim_slow", None),
        ("sim_timeout_before", None),
        ("sim_timeout_after", None),
        ("sim_error", None),
        ("sim_unknown_then_declined", "card_declined"),
    ],
)
async def test_each_payment_method_ends_as_the_contract_says(
    world: World, method: str | None, code: str | None, step: timedelta
) -> None:
    order = await world.place(payment_method=method)
    for _ in range(20):
        await world.work_after(step)
    found = await world.order(order.id)
    assert found.status is (OrderStatus.PAID if code is None else OrderStatus.FAILED)
    assert (found.failure and found.failure.code) == code
    assert await world.done() == ([] if code else [("charge", 1000)])
    assert await world.work_after(DAY) == 0


@pytest.mark.parametrize("method", ["sim_timeout_before", "sim_timeout_after", "sim_error"])
async def test_an_outcome_that_is_unknown_never_fails_an_order(world: World, method: str) -> None:
    order = await world.place(payment_method=method)
    await world.work()
    found = await world.order(order.id)
    assert (found.status, found.version, found.failure) == (OrderStatus.PROCESSING, 2, None)
    operation = await operation_of(world, order)
    assert operation.state is OperationState.UNKNOWN
    assert operation.problem == ("gateway_error" if method == "sim_error" else "timeout")


# What a gateway and its adapter may do.


async def test_an_adapter_that_raises_leaves_the_outcome_unknown(
    scripted: World, gateway: ScriptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    order = await scripted.place()
    asking = await ask(scripted, gateway)
    gateway.break_down(await asking.call())
    await asking.is_done()
    operation = await operation_of(scripted, order)
    assert (operation.state, operation.problem) == (OperationState.UNKNOWN, "adapter_failed")
    assert "the gateway's adapter failed" in caplog.text
    scripted.clock.advance(SECOND)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID


async def test_an_adapter_that_hangs_is_given_up_in_time(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    worker = scripted.worker(answer=timedelta(milliseconds=10))
    await worker.carry_out(await scripted.claim_one(worker))
    assert gateway.waiting == []
    operation = await operation_of(scripted, order)
    assert (operation.state, operation.problem) == (OperationState.UNKNOWN, "timeout")
    assert (await scripted.order(order.id)).status is OrderStatus.PROCESSING


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": Money(amount_minor=999, currency="EUR")},
        {"amount": Money(amount_minor=1000, currency="USD")},
        {"reference": "01900000-0000-7000-8000-000000000000"},
    ],
    ids=["amount", "currency", "reference"],
)
async def test_an_approval_of_something_else_is_no_answer(
    scripted: World, gateway: ScriptedGateway, wrong: dict[str, Any]
) -> None:
    order = await scripted.place()
    asking = await ask(scripted, gateway)
    call = await asking.call()
    gateway.arrive(call)
    assert isinstance(call.outcome, Approved)
    gateway.say(call, replace(call.outcome, **wrong))
    await asking.is_done()
    found = await scripted.order(order.id)
    assert (found.status, found.captured.is_zero) == (OrderStatus.PROCESSING, True)
    assert (await operation_of(scripted, order)).problem == "mismatch"
    (attempt,) = (await scripted.told(order)).operations[0].attempts
    assert (attempt.outcome, attempt.code) == ("unknown", "mismatch")


async def test_a_gateway_that_asks_for_a_rest_is_left_alone_for_as_long(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    asking = await ask(scripted, gateway)
    gateway.say(await asking.call(), Unknown("throttled", HOUR))
    await asking.is_done()
    operation = await operation_of(scripted, order)
    assert operation.due_at == scripted.clock.now() + HOUR


async def test_the_pauses_grow_up_to_a_limit_and_differ(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    pauses: list[float] = []
    for number in range(1, 16):
        asking = await ask(scripted, gateway)
        call = await asking.call()
        gateway.say(call, Unknown("gateway_error"))
        if call.looks:
            # It is sent all the same: the gateway still knows the key.
            gateway.say(await asking.call(), Unknown("gateway_error"))
        await asking.is_done()
        operation = await operation_of(scripted, order)
        assert operation.attempts == number
        pauses.append((operation.due_at - scripted.clock.now()).total_seconds())
        scripted.clock.advance(operation.due_at - scripted.clock.now())
    for number, seconds in enumerate(pauses):
        regular = min(0.5 * 2**number, 300)
        assert 0.5 * regular <= seconds <= 1.5 * regular
    assert len(set(pauses)) == len(pauses)


async def test_each_attempt_is_told_of_with_the_outcome_and_when(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    declined = Declined(Failure(code="card_declined", message="The card was declined."))
    started = []
    for outcome in (Unknown("gateway_error"), Unknown("throttled"), declined):
        scripted.clock.advance(5 * SECOND)
        asking = await ask(scripted, gateway)
        started.append(scripted.clock.now())
        call = await asking.call()
        scripted.clock.advance(SECOND)
        gateway.say(call, outcome)
        await asking.is_done()
    (tried,) = (await scripted.told(order)).operations
    assert [(each.number, each.outcome, each.code) for each in tried.attempts] == [
        (1, "unknown", "gateway_error"),
        (2, "unknown", "throttled"),
        (3, "declined", "card_declined"),
    ]
    assert [each.started_at for each in tried.attempts] == started
    assert [each.ended_at for each in tried.attempts] == [each + SECOND for each in started]


async def test_the_gateway_is_asked_the_same_for_ever(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place(payment_method="a token", manual=True)
    asked = []
    for _ in range(3):
        asking = await ask(scripted, gateway)
        call = await asking.call()
        asked.append(call.request)
        gateway.say(call, Unknown("gateway_error"))
        await asking.is_done()
        scripted.clock.advance(5 * SECOND)
    assert [replace(each, is_repeat=False) for each in asked] == [asked[0]] * 3
    assert [each.is_repeat for each in asked] == [False, True, True]
    operation = await operation_of(scripted, order)
    assert asked[0].key == asked[0].reference == str(operation.id)
    assert asked[0].amount == order.request.amount
    assert asked[0].payment_method == "a token"
    assert asked[0].asked_at == operation.first_sent_at


# How it is asked: sent, then looked for, and looked for only.


async def is_unknown_after(
    scripted: World, gateway: ScriptedGateway, age: timedelta, *, charged: bool
) -> tuple[Order, Asking]:
    """An order whose charge was sent that long ago, its answer lost, and a worker that asks."""
    order = await scripted.place()
    asking = await ask(scripted, gateway)
    call = await asking.call()
    if charged:
        gateway.arrive(call)
    gateway.say(call, Unknown("timeout"))
    await asking.is_done()
    scripted.clock.advance(age)
    return order, await ask(scripted, gateway)


@pytest.mark.parametrize("charged", [True, False])
async def test_what_was_sent_a_moment_ago_is_sent_again_under_its_key(
    scripted: World, gateway: ScriptedGateway, charged: bool
) -> None:
    order, asking = await is_unknown_after(scripted, gateway, 29 * SECOND, charged=charged)
    call = await asking.call()
    assert not call.looks
    gateway.answer(call)
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    assert await scripted.done() == [("charge", 1000)]


@pytest.mark.parametrize("age", [30 * SECOND, 12 * HOUR - SECOND], ids=str)
async def test_what_was_sent_a_while_ago_is_looked_for_and_sent_again_where_it_is_not_known(
    scripted: World, gateway: ScriptedGateway, age: timedelta
) -> None:
    order, asking = await is_unknown_after(scripted, gateway, age, charged=False)
    call = await asking.call()
    assert call.looks
    gateway.answer(call)
    call = await asking.call()
    assert not call.looks
    gateway.answer(call)
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID


@pytest.mark.parametrize("age", [30 * SECOND, 12 * HOUR - SECOND, 12 * HOUR, 25 * HOUR], ids=str)
async def test_what_was_charged_a_while_ago_is_found_and_not_sent_again(
    scripted: World, gateway: ScriptedGateway, age: timedelta
) -> None:
    order, asking = await is_unknown_after(scripted, gateway, age, charged=True)
    call = await asking.call()
    assert call.looks
    gateway.answer(call)
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    assert await scripted.done() == [("charge", 1000)]


async def test_what_the_gateway_cannot_be_asked_about_is_sent_while_it_knows_the_key(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order, asking = await is_unknown_after(scripted, gateway, 30 * SECOND, charged=False)
    look = await asking.call()
    assert look.looks
    gateway.say(look, Unknown("timeout"))
    sent = await asking.call()
    assert not sent.looks
    gateway.answer(sent)
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    assert await scripted.done() == [("charge", 1000)]


@pytest.mark.parametrize("age", [12 * HOUR, 25 * HOUR], ids=str)
async def test_nothing_is_sent_when_the_gateway_may_have_forgotten_the_key_and_cannot_be_asked(
    scripted: World, gateway: ScriptedGateway, age: timedelta
) -> None:
    order, asking = await is_unknown_after(scripted, gateway, age, charged=False)
    gateway.say(await asking.call(), Unknown("gateway_error"))
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PROCESSING
    assert (await operation_of(scripted, order)).problem == "gateway_error"


@pytest.mark.parametrize("method", ["sim_timeout_after", "sim_slow"])
async def test_a_charge_whose_key_the_gateway_has_forgotten_is_found_and_never_made_again(
    world: World, method: str
) -> None:
    order = await world.place(payment_method=method)
    await world.work()
    await world.work_after(timedelta(hours=25))
    assert (await world.order(order.id)).status is OrderStatus.PAID
    assert await world.done() == [("charge", 1000)]


async def test_a_decline_whose_key_the_gateway_has_forgotten_is_found_too(world: World) -> None:
    order = await world.place(payment_method="sim_unknown_then_declined")
    await world.work()
    await world.work_after(timedelta(hours=25))
    assert (await world.order(order.id)).status is OrderStatus.FAILED
    assert await world.done() == []


async def test_what_is_not_found_when_keys_may_be_forgotten_is_for_a_person(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order, asking = await is_unknown_after(scripted, gateway, 12 * HOUR, charged=False)
    for _ in range(5):
        call = await asking.call()
        assert call.looks
        gateway.answer(call)
        await asking.is_done()
        scripted.clock.advance(DAY)
        asking = await ask(scripted, gateway)
    asking.task.cancel()
    found = await scripted.order(order.id)
    assert (found.status, found.version) == (OrderStatus.PROCESSING, 2)
    assert await scripted.done() == []
    finding = await FindStuckOperations(scripted.history, scripted.clock, GATEWAY).examine()
    assert finding.problem is not None
    assert str(asking.operation.id) in finding.problem
    assert str(order.id) in finding.problem
    assert "the gateway knows nothing of it: look at its books" in finding.problem


async def test_what_the_gateway_has_turned_away_is_sent_however_long_that_took(
    scripted: World, gateway: ScriptedGateway
) -> None:
    """A key that was wrong over a long weekend: nothing of it has ever touched the gateway."""
    order = await scripted.place()
    for _ in range(3):
        asking = await ask(scripted, gateway)
        call = await asking.call()
        assert (call.looks, call.request.is_repeat) == (False, False)
        gateway.say(call, Unknown("gateway_refused_us", untouched=True))
        await asking.is_done()
        scripted.clock.advance(DAY)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    assert await scripted.done() == [("charge", 1000)]


async def test_what_a_dead_worker_may_have_sent_counts_as_sent(
    scripted: World, gateway: ScriptedGateway
) -> None:
    """It died before it sent a byte, which nobody can know."""
    await scripted.place()
    await scripted.claim_one(scripted.worker())
    scripted.clock.advance(12 * HOUR)
    asking = await ask(scripted, gateway)
    assert (await asking.call()).looks
    asking.task.cancel()


async def test_what_appears_at_the_gateway_after_all_is_taken(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    first = await ask(scripted, gateway)
    late = await first.call()
    scripted.clock.advance(13 * HOUR)
    second = await ask(scripted, gateway)
    gateway.answer(await second.call())
    await second.is_done()
    assert (await operation_of(scripted, order)).problem == "not_found"
    gateway.arrive(late)
    scripted.clock.advance(HOUR)
    third = await ask(scripted, gateway)
    gateway.answer(await third.call())
    await third.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    gateway.answer(late)
    await first.is_done()
    assert (await scripted.order(order.id)).version == 3


# Leases and fences.


async def test_what_was_claimed_before_the_process_stood_still_is_not_sent(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    worker = scripted.worker()
    claimed = await scripted.claim_one(worker)
    scripted.clock.advance(LEASE)
    await worker.carry_out(claimed)
    assert gateway.waiting == []
    (tried,) = (await scripted.told(order)).operations
    assert (tried.attempts, tried.operation.is_claimed) == ((), True)


async def test_what_was_claimed_before_the_machine_slept_is_not_sent(
    scripted: World, gateway: ScriptedGateway
) -> None:
    await scripted.place()
    worker = scripted.worker()
    claimed = await scripted.claim_one(worker)
    scripted.clock.suspend(DAY)
    await worker.carry_out(claimed)
    assert gateway.waiting == []


async def test_what_was_looked_for_before_the_process_stood_still_is_not_sent(
    scripted: World, gateway: ScriptedGateway
) -> None:
    _, asking = await is_unknown_after(scripted, gateway, 30 * SECOND, charged=False)
    call = await asking.call()
    assert call.looks
    gateway.arrive(call)
    scripted.clock.advance(LEASE)
    gateway.answer(call)
    await asking.is_done()


async def test_the_time_that_the_claim_itself_took_counts(
    scripted: World, gateway: ScriptedGateway
) -> None:
    class SlowOperations(Passing):
        async def claim(self, gateway: str, decide: Decide, limit: int) -> Sequence[Work]:
            found = await super().claim(gateway, decide, limit)
            scripted.clock.advance(LEASE)
            return found

    await scripted.place()
    slow = replace(scripted, operations=SlowOperations(scripted.operations))
    worker = slow.worker()
    await worker.carry_out(await slow.claim_one(worker))
    assert gateway.waiting == []


async def test_a_late_answer_changes_nothing_when_somebody_else_has_claimed_since(
    scripted: World, gateway: ScriptedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    order = await scripted.place()
    first = await ask(scripted, gateway)
    late = await first.call()
    gateway.arrive(late)
    scripted.clock.advance(LEASE)
    second = await ask(scripted, gateway)
    assert second.operation.fence == 2
    gateway.answer(late)
    await first.is_done()
    assert "the claim had gone" in caplog.text
    assert (await scripted.order(order.id)).status is OrderStatus.PROCESSING
    gateway.answer(await second.call())
    await second.is_done()
    history = await scripted.told(order)
    assert (history.order.status, history.order.version) == (OrderStatus.PAID, 3)
    assert [attempt.number for attempt in history.operations[0].attempts] == [2]
    assert await scripted.done() == [("charge", 1000)]


async def test_an_outcome_that_cannot_be_recorded_is_asked_for_again(
    scripted: World, gateway: ScriptedGateway
) -> None:
    class Unreachable(Passing):
        async def record(self, result: Result) -> bool:
            raise StorageUnavailable("gone")

    order = await scripted.place()
    cut_off = replace(scripted, operations=Unreachable(scripted.operations))
    asking = await ask(cut_off, gateway)
    gateway.answer(await asking.call())
    with pytest.raises(StorageUnavailable):
        await asking.task
    scripted.clock.advance(LEASE)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    assert await scripted.done() == [("charge", 1000)]


async def test_an_outcome_that_makes_no_row_is_put_off_and_has_a_name(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place()
    asking = await ask(scripted, gateway)
    # No text of PostgreSQL's; SQLite refuses it too.
    gateway.say(await asking.call(), Declined(Failure(code="\ud800", message="")))
    await asking.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PROCESSING
    operation = await operation_of(scripted, order)
    assert (operation.problem, operation.is_claimed) == ("not_recordable", False)
    assert operation.due_at > scripted.clock.now()


@pytest.mark.parametrize("charged", [True, False])
async def test_whoever_dies_during_a_call_leaves_a_lease_that_ends(
    scripted: World, gateway: ScriptedGateway, charged: bool
) -> None:
    order = await scripted.place()
    dying = await ask(scripted, gateway)
    call = await dying.call()
    if charged:
        gateway.arrive(call)
    dying.task.cancel()
    await asyncio.wait([dying.task])
    assert await scripted.worker().claim(10) == []
    scripted.clock.advance(LEASE)
    heir = await ask(scripted, gateway)
    gateway.answer(await heir.call())
    if not charged:
        gateway.answer(await heir.call())
    await heir.is_done()
    assert (await scripted.order(order.id)).status is OrderStatus.PAID
    assert await scripted.done() == [("charge", 1000)]


# Many at once.


async def test_50_orders_at_once_are_all_paid_by_two_workers(world: World) -> None:
    orders = [await world.place(f"order {number}") for number in range(50)]

    async def keep_working(worker: RunPaymentOperations) -> None:
        while claimed := await worker.claim(7):
            await asyncio.gather(*map(worker.carry_out, claimed))

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(keep_working(world.worker()))
    for order in orders:
        assert (await world.told(order)).order.status is OrderStatus.PAID
    assert await world.done() == [("charge", 1000)] * 50


# Held authorizations.


async def test_an_authorization_that_the_gateway_keeps_up_is_looked_at_again(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place(manual=True)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    authorized = await scripted.order(order.id)
    assert authorized.status is OrderStatus.AUTHORIZED
    scripted.clock.advance(timedelta(days=7))
    asking = await ask(scripted, gateway)
    call = await asking.call()
    assert call.looks
    longer = Approved(
        reference=call.request.reference,
        amount=call.request.amount,
        expires_at=scripted.clock.now() + DAY,
    )
    gateway.say(call, longer)
    await asking.is_done()
    assert await scripted.order(order.id) == authorized
    operation = await operation_of(scripted, order)
    assert operation.due_at == scripted.clock.now() + DAY


async def test_an_authorization_that_cannot_be_looked_at_stands(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place(manual=True)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    authorized = await scripted.order(order.id)
    scripted.clock.advance(timedelta(days=7))
    for outcome in (Unknown("gateway_error"), None):
        asking = await ask(scripted, gateway)
        gateway.say(await asking.call(), outcome)
        await asking.is_done()
        assert await scripted.order(order.id) == authorized
        assert (await operation_of(scripted, order)).state is OperationState.HELD
        scripted.clock.advance(LOOKED_AT_EVERY)


async def test_an_authorization_that_cannot_be_looked_at_is_looked_at_seldom(
    scripted: World, gateway: ScriptedGateway
) -> None:
    order = await scripted.place(manual=True)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    scripted.clock.advance(timedelta(days=7))
    pauses = []
    for _ in range(10):
        asking = await ask(scripted, gateway)
        gateway.say(await asking.call(), Unknown("gateway_error"))
        await asking.is_done()
        due_at = (await operation_of(scripted, order)).due_at
        pauses.append(due_at - scripted.clock.now())
        scripted.clock.advance(pauses[-1])
    assert pauses == [LOOKED_AT_EVERY] * 10


@pytest.mark.parametrize("part", [None, 400])
async def test_a_look_at_an_authorization_and_its_capture_do_not_disturb_each_other(
    scripted: World, gateway: ScriptedGateway, part: int | None
) -> None:
    order = await scripted.place(manual=True)
    asking = await ask(scripted, gateway)
    gateway.answer(await asking.call())
    await asking.is_done()
    scripted.clock.advance(timedelta(days=6))
    await scripted.capture(order, part)
    capturing = await ask(scripted, gateway)
    gateway.arrive(await capturing.call())
    scripted.clock.advance(DAY)
    # The first answer was lost, and the authorization is due to be looked at: both at once.
    asked = [Asking(scripted, gateway, each) for each in await scripted.worker().claim(10)]
    for each in asked:
        gateway.answer(await each.call())
        await each.is_done()
    gateway.answer(await capturing.call())
    await capturing.is_done()
    found = await scripted.order(order.id)
    assert (found.status, found.captured.amount_minor) == (OrderStatus.PAID, part or 1000)
    assert [kind for kind, _ in await scripted.done()] == ["authorize", "capture"]
