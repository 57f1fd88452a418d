"""Money moves once, whatever happens in whatever order.

The real use cases over SQLite, and a gateway whose every answer is drawn: integrators ask and ask
again, workers claim, stand still, die between any two steps and come too late, requests and answers
get lost or arrive when nobody waits for them any more, time passes, keys are forgotten. After each
step the invariants of CORRECTNESS.md are looked for in the rows themselves, and at the end, when
the faults are over and everybody has come to rest, both sides' books must say the same.
"""

import asyncio
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import make_url

from adapters.sql.database import Database
from application.errors import IdempotencyKeyReused
from application.once import Answer
from application.ports.gateway import Effect
from application.run_payment_operations import Claimed
from domain.errors import DomainError
from domain.order import Order, OrderStatus
from domain.payment import Approved, Declined, Failure, Unknown
from domain.settlement import LOOKED_AT_EVERY
from tests.application.conftest import A_WHILE, World, a_world
from tests.application.scripted_gateway import REMEMBERS_KEYS_FOR, Call, ScriptedGateway
from tests.databases import SqliteDatabases
from tests.fakes import FakeClock

EXAMPLES: Final = 60
STEPS: Final = 50

DECLINED: Final = Failure(code="card_declined", message="The card was declined.")
ADRIFT: Final = timedelta(hours=1)
"""For so long a request may be on its way."""
LEASE: Final = timedelta(seconds=30)
TIMES: Final = st.sampled_from(
    [
        *[timedelta(seconds=2)] * 3,
        *[timedelta(seconds=30)] * 3,
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(hours=11),
        timedelta(hours=25),
        timedelta(days=7),
    ]
)
PLACES: Final = st.integers(0, 9)
"""In a list that may be shorter."""
TAKEN: Final = ("charge", "capture")
ENDED: Final = ("succeeded", "failed", "withdrawn", "held")

Found = TypeVar("Found")
Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(slots=True)
class Request:
    """What an integrator asked for, and what the answer was, if it was accepted."""

    send: Callable[[], Awaitable[Answer]]
    send_another: Callable[[], Awaitable[Answer]]
    """Another request under the same key."""
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """An order in our rows, and what the gateway did for it."""

    order: sqlite3.Row
    operations: list[sqlite3.Row]
    effects: list[Effect]

    def moved(self, *kinds: str) -> int:
        """Minor units, by the gateway's books."""
        return sum(each.amount.amount_minor for each in self.effects if each.kind in kinds)

    def reserved(self) -> int:
        """By refunds that have no outcome yet."""
        return sum(
            each["amount_minor"]
            for each in self.operations
            if each["kind"] == "refund" and each["state"] not in ENDED
        )


class MoneyMachine(RuleBasedStateMachine):
    databases: SqliteDatabases

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.clock = FakeClock()
        self.gateway = ScriptedGateway(self.clock)
        self.requests: dict[str, Request] = {}
        self.orders: list[Order] = []
        self.in_hand: list[Claimed] = []
        """Claimed, and not carried out yet."""
        self.at_work: list[asyncio.Task[None]] = []
        self.adrift: list[Call] = []
        """Requests of workers that died since, and that may arrive."""
        self.world = self.run(self.open())
        self.worker = self.world.worker(answer=timedelta(days=1))

    async def open(self) -> World:
        url = await self.stack.enter_async_context(self.databases.fresh())
        database = Database(url)
        self.stack.push_async_callback(database.close)
        self.rows = sqlite3.connect(make_url(url).database or "", isolation_level=None)
        self.rows.row_factory = sqlite3.Row
        self.stack.callback(self.rows.close)
        return await self.stack.enter_async_context(a_world(database, self.gateway, self.clock))

    def run(self, doing: Coroutine[Any, Any, Found]) -> Found:
        return self.runner.run(doing)

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.everything_comes_to_rest()
        finally:
            self.run(self.let_die(*self.at_work))
            self.run(self.stack.aclose())
            self.runner.close()

    @rule(data=st.data())
    def somebody_does_something(self, data: st.DataObject) -> None:
        """One rule for all: of many, Hypothesis leaves out about half in each example, and little
        happens without the worker, the gateway or time."""
        step = data.draw(st.sampled_from(self.possible_steps()), label="step")
        getattr(self, step)(data.draw)

    def possible_steps(self) -> list[str]:
        """Each as often as it shall come up."""
        in_hand, at_work = bool(self.in_hand), bool(self.at_work)
        often = {
            "an_order_is_placed": len(self.orders) < 4,
            "a_capture_is_asked_for": bool(self.orders) + bool(self.orders_that_are("authorized")),
            "a_cancel_is_asked_for": bool(self.orders),
            "a_refund_is_asked_for": bool(self.orders) + bool(self.orders_that_are("paid")),
            "a_request_is_repeated": bool(self.requests),
            "a_key_is_used_for_another_request": bool(self.requests),
            "operations_are_claimed": 1,
            "operations_are_claimed_and_carried_out": 3,
            "claims_are_carried_out": 2 * in_hand,
            "a_worker_dies_between_claim_and_call": in_hand,
            "a_worker_dies_during_a_call": at_work,
            "a_call_arrives": 2 * bool(self.on_the_way()),
            "a_call_is_answered": 3 * at_work,
            "a_call_is_not_answered": 2 * at_work,
            "time_passes": 3,
            "all_goes_well_for_a_while": 2,
        }
        return [step for step, times in often.items() for _ in range(times)]

    # Integrators.

    def an_order_is_placed(self, draw: Draw) -> None:
        key, manual = f"order {len(self.requests)}", draw(st.booleans())
        self.requests[key] = Request(
            lambda: self.world.ask_for_order(key, manual=manual),
            lambda: self.world.ask_for_order(key, manual=manual, amount=1),
        )
        self.send(key)
        self.orders.append(self.run(self.world.place(key, manual=manual)))

    def a_capture_is_asked_for(self, draw: Draw) -> None:
        order = self.an_order(draw, "authorized")
        amount, key = draw(st.sampled_from([None, 400, 1000])), f"capture {len(self.requests)}"
        self.requests[key] = Request(
            lambda: self.world.capture(order, amount, key=key),
            lambda: self.world.capture(order, 1, key=key),
        )
        self.send(key)

    def a_cancel_is_asked_for(self, draw: Draw) -> None:
        order = self.an_order(draw, "pending", "authorized")
        key = f"cancel {len(self.requests)}"
        self.requests[key] = Request(
            lambda: self.world.cancel(order, key=key),
            lambda: self.world.capture(order, key=key),
        )
        self.send(key)

    def a_refund_is_asked_for(self, draw: Draw) -> None:
        order = self.an_order(draw, "paid", "partially_refunded")
        amount = draw(st.sampled_from([None, 300, 300, 300, 1000]))
        key = f"refund {len(self.requests)}"
        self.requests[key] = Request(
            lambda: self.world.refund(order, amount, key=key),
            lambda: self.world.refund(order, amount, key=key, reason="another"),
        )
        self.send(key)

    def an_order(self, draw: Draw, *statuses: str) -> Order:
        """One for which it makes sense, or any if there is none."""
        found: Order = draw(st.sampled_from(self.orders_that_are(*statuses) or self.orders))
        return found

    def orders_that_are(self, *statuses: str) -> list[Order]:
        rows = self.rows.execute("SELECT id, status FROM orders").fetchall()
        found = {row["id"] for row in rows if row["status"] in statuses}
        return [order for order in self.orders if order.id.hex in found]

    def a_request_is_repeated(self, draw: Draw) -> None:
        """Its answer was lost, or it was refused."""
        self.send(draw(st.sampled_from(list(self.requests))))

    def a_key_is_used_for_another_request(self, draw: Draw) -> None:
        request = self.requests[draw(st.sampled_from(list(self.requests)))]
        if request.answer is not None:
            with pytest.raises(IdempotencyKeyReused):
                self.run(_awaited(request.send_another()))

    def send(self, key: str) -> None:
        """I1, I2, I6: what was accepted once is answered so for ever."""
        request = self.requests[key]
        try:
            answer = self.run(_awaited(request.send()))
        except DomainError:
            assert request.answer is None
            return
        if request.answer is None:
            assert not answer.replayed
            request.answer = answer
        first = request.answer
        assert (answer.status, answer.body, answer.location) == (
            first.status,
            first.body,
            first.location,
        )

    # Workers.

    def operations_are_claimed(self, draw: Draw) -> None:
        self.claim(draw(st.integers(1, 3)))

    def operations_are_claimed_and_carried_out(self, draw: Draw) -> None:
        self.claim(10)
        self.claims_are_carried_out(draw)

    def claim(self, limit: int) -> None:
        claimed = self.run(_awaited(self.worker.claim(limit)))
        assert len(claimed) <= limit
        self.in_hand += claimed

    def claims_are_carried_out(self, _: Draw) -> None:
        """Up to the moment when the gateway is asked."""

        async def begin() -> None:
            while self.in_hand:
                carried_out = self.worker.carry_out(self.in_hand.pop())
                self.at_work.append(asyncio.create_task(carried_out))

        self.run(begin())
        self.go_on()

    def go_on(self) -> None:
        """Every worker, until it has asked the gateway or has ended."""

        async def go_on() -> None:
            for task in tuple(self.at_work):
                if await self.gateway.next_call(task) is None:
                    self.at_work.remove(task)
                    task.result()

        self.run(go_on())

    def a_worker_dies_between_claim_and_call(self, _: Draw) -> None:
        self.in_hand.clear()

    def a_worker_dies_during_a_call(self, draw: Draw) -> None:
        self.run(self.let_die(self.at_work[draw(PLACES) % len(self.at_work)]))

    async def let_die(self, *tasks: "asyncio.Task[None]") -> None:
        self.adrift += [call for call in self.gateway.waiting if call.caller in tasks]
        for task in tasks:
            task.cancel()
            await asyncio.wait([task])
            self.at_work.remove(task)

    # The gateway and the way there.

    def on_the_way(self) -> list[Call]:
        """The calls that have not arrived, and still can."""
        return [
            call
            for call in (*self.gateway.waiting, *self.adrift)
            if not call.has_arrived and self.clock.now() - call.at <= ADRIFT
        ]

    def a_call_arrives(self, draw: Draw) -> None:
        calls = self.on_the_way()
        call = calls[draw(PLACES) % len(calls)]
        self.gateway.arrive(call, DECLINED if draw(st.booleans()) else None)

    def a_call_that_waits(self, draw: Draw) -> Call:
        place: int = draw(PLACES)
        return self.gateway.waiting[place % len(self.gateway.waiting)]

    def a_call_is_answered(self, draw: Draw) -> None:
        """Late, it may be, but then with what was true when it arrived."""
        call = self.a_call_that_waits(draw)
        if call.has_arrived or call in self.on_the_way():
            self.gateway.answer(call)
        else:
            self.gateway.time_out(call)
        self.go_on()

    def a_call_is_not_answered(self, draw: Draw) -> None:
        """Whether it has arrived or not."""
        call = self.a_call_that_waits(draw)
        if call in self.on_the_way() and draw(st.booleans()):
            self.gateway.arrive(call)
        match draw(st.sampled_from(["timeout", "gateway_error", "broken", "mismatch"])):
            case "timeout":
                self.gateway.time_out(call)
            case "broken":
                self.gateway.break_down(call)
            case "mismatch":
                amount = call.request.amount
                self.gateway.say(call, Approved(reference="another", amount=amount))
            case problem:
                self.gateway.say(call, Unknown(problem))
        self.go_on()

    def time_passes(self, draw: Draw) -> None:
        self.clock.advance(draw(TIMES))

    def all_goes_well_for_a_while(self, draw: Draw) -> None:
        """What is due is claimed, asked and recorded; the gateway may decline the first."""
        self.operations_are_claimed_and_carried_out(draw)
        failure = draw(st.sampled_from([None, None, DECLINED]))
        while waiting := [call for call in self.gateway.waiting if call in self.on_the_way()]:
            if not waiting[0].looks:
                self.gateway.arrive(waiting[0], failure)
                failure = None
            self.gateway.answer(waiting[0])
            self.go_on()

    # What holds after each step.

    def books(self) -> dict[str, Row]:
        effects = defaultdict(list)
        for effect in self.gateway.done:
            effects[UUID(effect.reference).hex].append(effect)
        rows = {
            order["id"]: Row(order, [], []) for order in self.rows.execute("SELECT * FROM orders")
        }
        for operation in self.rows.execute("SELECT * FROM payment_operations ORDER BY id"):
            row = rows[operation["order_id"]]
            row.operations.append(operation)
            row.effects.extend(effects.pop(operation["id"], ()))
        assert not effects, "the gateway did what nobody had asked it for"
        return rows

    @invariant()
    def i1_a_key_makes_one_order(self) -> None:
        keys = [row["idempotency_key"] for row in self.rows.execute("SELECT * FROM orders")]
        placed = [key for key in self.requests if key.startswith("order")]
        assert Counter(keys) == Counter(placed)

    @invariant()
    def i2_what_was_answered_is_there_with_the_bytes_that_were_sent(self) -> None:
        query = "SELECT key, status, location, body FROM idempotency_keys"
        kept = {key: answer for key, *answer in self.rows.execute(query)}
        sent = {
            key: [request.answer.status, request.answer.location, request.answer.body]
            for key, request in self.requests.items()
            if request.answer is not None
        }
        assert kept == sent

    @invariant()
    def i3_an_operation_has_at_most_one_effect_of_its_amount(self) -> None:
        for row in self.books().values():
            by_id = {str(UUID(operation["id"])): operation for operation in row.operations}
            done = Counter(effect.reference for effect in row.effects)
            assert not done or max(done.values()) == 1
            for effect in row.effects:
                operation = by_id[effect.reference]
                assert effect.kind == operation["kind"]
                assert effect.amount.amount_minor == operation["amount_minor"]
                assert effect.amount.currency == operation["currency"]

    @invariant()
    def i4_nothing_is_paid_or_failed_here_that_is_not_so_there(self) -> None:
        for row in self.books().values():
            order = row.order
            assert order["captured_minor"] in (0, row.moved(*TAKEN))
            assert order["refunded_minor"] <= row.moved("refund")
            assert order["captured_minor"] or order["status"] not in ("paid", "refunded")
            if order["status"] in ("failed", "canceled"):
                assert row.moved(*TAKEN) == 0
            for operation in row.operations:
                if operation["state"] == "failed":
                    truth = self.gateway.truth(str(UUID(operation["id"])))
                    assert isinstance(truth, Declined)
                    assert truth.failure.code == operation["failure_code"]

    @invariant()
    def i5_each_change_has_its_event(self) -> None:
        query = (
            "SELECT order_id, order_version, json_extract(data, '$.version'),"
            " json_extract(data, '$.status'), json_extract(data, '$.amount_captured_cents'),"
            " json_extract(data, '$.amount_refunded_cents')"
            " FROM events ORDER BY order_id, order_version"
        )
        told = defaultdict(list)
        for order_id, *event in self.rows.execute(query):
            told[order_id].append(event)
        for order_id, row in self.books().items():
            order, events = row.order, told[order_id]
            assert [event[0] for event in events] == list(range(1, order["version"] + 1))
            assert [event[1] for event in events] == [event[0] for event in events]
            names = ("status", "captured_minor", "refunded_minor")
            assert events[-1][2:] == [order[name] for name in names]

    @invariant()
    def refunds_never_exceed_what_was_captured(self) -> None:
        for row in self.books().values():
            order = row.order
            assert order["refunding_minor"] == row.reserved()
            assert order["refunded_minor"] + order["refunding_minor"] <= order["captured_minor"]
            assert row.moved("refund") <= row.moved(*TAKEN)

    @invariant()
    def what_is_recorded_comes_of_the_last_claim(self) -> None:
        """Only of looks at an authorization that stands nothing is told."""
        query = (
            "SELECT max(number) FROM payment_operations LEFT JOIN payment_attempts"
            " ON operation_id = id WHERE lease_expires_at IS NULL AND fence > 0"
            " AND NOT (kind = 'authorize' AND state IN ('held', 'succeeded'))"
            " GROUP BY id HAVING max(number) IS NOT fence"
        )
        assert self.rows.execute(query).fetchall() == []

    @invariant()
    def nothing_is_sent_when_its_key_may_have_been_forgotten(self) -> None:
        for call in self.gateway.waiting:
            age = call.at - call.request.asked_at
            assert call.looks or age < REMEMBERS_KEYS_FOR / 2 + LEASE

    # What holds in the end.

    def everything_comes_to_rest(self) -> None:
        """The faults are over: within a bounded time both sides' books say the same."""
        self.in_hand.clear()
        self.run(self.let_die(*self.at_work))
        for pause in (A_WHILE, A_WHILE, LOOKED_AT_EVERY, A_WHILE):
            self.clock.advance(pause)
            self.claim(100)
            self.claims_are_carried_out(_draw_nothing)
            while self.gateway.waiting:
                self.gateway.answer(self.gateway.waiting[0])
                self.go_on()
        assert not self.at_work
        for row in self.books().values():
            self.agrees(row)

    def agrees(self, row: Row) -> None:
        order, stuck = row.order, False
        for operation in row.operations:
            if operation["state"] not in ENDED:
                stuck = True
                self.is_for_a_person(operation)
        assert order["captured_minor"] == row.moved(*TAKEN)
        assert order["refunded_minor"] == row.moved("refund")
        assert order["status"] not in ("pending", "processing") or stuck
        if order["status"] == OrderStatus.AUTHORIZED:
            (held,) = [each for each in row.operations if each["state"] == "held"]
            assert isinstance(self.gateway.truth(str(UUID(held["id"]))), Approved)

    def is_for_a_person(self, operation: sqlite3.Row) -> None:
        """Nothing was done, and nothing will be, for it is too late to send it again."""
        assert operation["state"] == "unknown"
        assert operation["problem"] == "not_found"
        assert self.gateway.truth(str(UUID(operation["id"]))) is None
        age = self.clock.now().timestamp() - operation["first_sent_at"] / 1_000_000
        assert age >= REMEMBERS_KEYS_FOR.total_seconds() / 2


def _draw_nothing(_: st.SearchStrategy[Any]) -> Any:
    raise AssertionError


async def _awaited(doing: Awaitable[Found]) -> Found:
    return await doing


def test_money_moves_once_in_any_order_of_steps_and_faults(
    sqlite_databases: SqliteDatabases,
) -> None:
    class OverTheseDatabases(MoneyMachine):
        databases = sqlite_databases

    run_state_machine_as_test(
        OverTheseDatabases,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=STEPS),
    )
