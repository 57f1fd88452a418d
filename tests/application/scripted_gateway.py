"""A gateway whose every call waits until a test says what becomes of it, with books of its own that
say what it did."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.simulated.bank import EXPIRED, Payment, authorize, change, charge
from application.ports.clock import Clock
from application.ports.gateway import Effect, GatewayRequest, PaymentGateway
from domain.payment import Approved, Declined, Failure, OperationKind, Outcome
from tests.examples import GATEWAY

REMEMBERS_KEYS_FOR: Final = timedelta(hours=24)


@dataclass(slots=True, eq=False)
class Call:
    """Somebody asks, and waits. `looks` is true of a question by reference; `outcome` is what came
    of it once it `has_arrived`."""

    request: GatewayRequest
    looks: bool
    at: datetime
    caller: "asyncio.Task[None] | None"
    answer: "asyncio.Future[Outcome | None]"
    outcome: Approved | Declined | None = None
    has_arrived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What came of a request, under which key and when."""

    key: str
    at: datetime
    outcome: Approved | Declined


@dataclass(slots=True)
class ScriptedGateway(PaymentGateway):
    clock: Clock
    waiting: list[Call] = field(default_factory=list)
    """The calls that have no answer yet, the first one first."""
    done: list[Effect] = field(default_factory=list)
    _entries: dict[str, list[Entry]] = field(default_factory=dict)
    _payments: dict[str, Payment] = field(default_factory=dict)
    _called: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        return GATEWAY

    @property
    def remembers_keys_for(self) -> timedelta:
        return REMEMBERS_KEYS_FOR

    def accepts(self, payment_method: str | None) -> bool:
        return True

    async def execute(self, request: GatewayRequest) -> Outcome:
        outcome = await self._ask(request, looks=False)
        assert outcome is not None
        return outcome

    async def find(self, request: GatewayRequest) -> Outcome | None:
        return await self._ask(request, looks=True)

    async def effects(self, since: datetime) -> AsyncIterator[Effect]:
        for effect in self.done:
            if effect.at >= since:
                yield effect

    async def close(self) -> None:
        """Nothing is held."""

    async def _ask(self, request: GatewayRequest, *, looks: bool) -> Outcome | None:
        loop = asyncio.get_running_loop()
        caller = asyncio.current_task()
        call = Call(request, looks, self.clock.now(), caller, loop.create_future())
        self.waiting.append(call)
        self._called.set()
        try:
            return await call.answer
        finally:
            self.waiting.remove(call)

    # What a test says.

    async def next_call(self, caller: "asyncio.Task[None] | None" = None) -> Call | None:
        """The first call that waits, of this caller where one is named; None when the caller has
        ended without another one."""
        if caller is not None:
            caller.add_done_callback(lambda _: self._called.set())
        while True:
            self._called.clear()
            for call in self.waiting:
                if caller in (None, call.caller) and not call.answer.done():
                    return call
            if caller is not None and caller.done():
                return None
            await self._called.wait()

    def arrive(self, call: Call, failure: Failure | None = None) -> None:
        """The call reaches the gateway, which carries it out, or declines it for `failure`: once
        for each key that it remembers. Nobody has heard of it yet."""
        call.has_arrived = True
        request, now = call.request, self.clock.now()
        if call.looks:
            call.outcome = self.truth(request.reference)
            return
        entries = self._entries.setdefault(request.reference, [])
        for entry in entries:
            if entry.key == request.key and now - entry.at < REMEMBERS_KEYS_FOR:
                call.outcome = entry.outcome
                return
        call.outcome = Declined(failure) if failure is not None else self._carry_out(request)
        entries.append(Entry(key=request.key, at=now, outcome=call.outcome))

    def truth(self, reference: str) -> Approved | Declined | None:
        """What `find` would say."""
        entries = self._entries.get(reference, [])
        outcome = entries[-1].outcome if entries else None
        if not isinstance(outcome, Approved) or outcome.expires_at is None:
            return outcome
        lapsed = self._payments[outcome.payment_id or ""].has_lapsed(self.clock.now())
        return Declined(EXPIRED) if lapsed else outcome

    def answer(self, call: Call) -> None:
        """With the truth as it was when the call arrived, which is now if it has not."""
        if not call.has_arrived:
            self.arrive(call)
        call.answer.set_result(call.outcome)

    def say(self, call: Call, outcome: Outcome | None) -> None:
        """Instead of the truth."""
        call.answer.set_result(outcome)

    def time_out(self, call: Call) -> None:
        """As if nobody had answered for so long that the caller gives up."""
        call.answer.set_exception(TimeoutError())

    def break_down(self, call: Call) -> None:
        """The adapter has a bug."""
        call.answer.set_exception(RuntimeError("the adapter is broken"))

    def _carry_out(self, request: GatewayRequest) -> Approved | Declined:
        after = self._after(request)
        if isinstance(after, Failure):
            return Declined(after)
        self._payments[after.id] = after
        effect = Effect(
            reference=request.reference,
            kind=request.kind,
            amount=request.amount,
            at=self.clock.now(),
        )
        self.done.append(effect)
        return Approved(
            reference=request.reference,
            amount=request.amount,
            payment_id=after.id,
            expires_at=after.expires_at if request.kind is OperationKind.AUTHORIZE else None,
        )

    def _after(self, request: GatewayRequest) -> Payment | Failure:
        """Another payment each time: the judge of double charges must not prevent them."""
        payment_id = f"pay_{len(self._payments)}"
        match request.kind:
            case OperationKind.CHARGE:
                return charge(payment_id, request.amount)
            case OperationKind.AUTHORIZE:
                return authorize(payment_id, request.amount, self.clock.now())
            case _:
                payment = self._payments.get(request.payment_id or "")
                return change(payment, request.kind, request.amount, self.clock.now())
