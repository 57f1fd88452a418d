"""What becomes of an operation and its order: said once as tables, and once as a life in which the
gateway, the worker and the integrator take turns in any order."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.errors import DomainError
from domain.event import EventType
from domain.money import Money
from domain.order import TRANSITIONS, Asking, CaptureMethod, Change, Order, OrderStatus
from domain.payment import (
    AUTHORIZATION_EXPIRED,
    UNSETTLED,
    Approved,
    Declined,
    Failure,
    OperationKind,
    OperationState,
    Outcome,
    PaymentOperation,
    Unknown,
)
from domain.settlement import (
    LONGEST_ASKED_FOR,
    LOOKED_AT_EVERY,
    Moment,
    Settlement,
    Step,
    next_step,
    settle,
    take,
)
from tests.examples import GATEWAY, a_placement, a_request, ids
from tests.fakes import NOW

S = OrderStatus
K = OperationKind
O = OperationState  # noqa: E741 - as short as its neighbours

LEASE: Final = timedelta(seconds=30)
PAUSE: Final = timedelta(seconds=2)
LAPSES: Final = NOW + timedelta(days=7)
DECLINED: Final = Failure(code="card_declined", message="The card was declined.")
EXPIRED: Final = Failure(code=AUTHORIZATION_EXPIRED, message="The authorization lapsed.")
CAPTURED: Final = frozenset({S.PAID, S.PARTIALLY_REFUNDED, S.REFUNDED})


def euros(minor: int) -> Money:
    return Money(amount_minor=minor, currency="EUR")


def a_moment(now: datetime = NOW) -> Moment:
    return Moment(now=now, event_ids=(ids.new(), ids.new()))


def an_order(status: OrderStatus, kind: OperationKind) -> Order:
    """A 1,000-cent order that operations of `kind` can be about; 300 cents wait to go back where
    that can be."""
    automatic = kind in (K.CHARGE, K.REFUND)
    method = CaptureMethod.AUTOMATIC if automatic else CaptureMethod.MANUAL
    order = a_placement(request=a_request(amount=euros(1000), capture_method=method)).order
    refunded = {S.REFUNDED: 1000, S.PARTIALLY_REFUNDED: 700}.get(status, 0)
    return replace(
        order,
        status=status,
        captured=euros(1000 if status in CAPTURED else 0),
        refunded=euros(refunded),
        refunding=euros(300 if status in (S.PAID, S.PARTIALLY_REFUNDED) else 0),
        failure=DECLINED if status is S.FAILED else None,
        version=7,
    )


AMOUNTS: Final = {K.CHARGE: 1000, K.AUTHORIZE: 1000, K.CAPTURE: 400, K.VOID: 1000, K.REFUND: 300}


def an_operation(
    order: Order, kind: OperationKind, state: OperationState, *, claimed: bool
) -> PaymentOperation:
    return PaymentOperation(
        id=ids.new(),
        merchant_id=order.merchant_id,
        order_id=order.id,
        kind=kind,
        amount=euros(AMOUNTS[kind]),
        gateway=GATEWAY,
        state=state,
        problem="timeout",
        fence=3,
        attempts=2,
        due_at=NOW,
        lease_expires_at=NOW + LEASE if claimed else None,
        first_sent_at=None if state is O.PENDING else NOW - timedelta(minutes=1),
        created_at=NOW - timedelta(minutes=1),
        updated_at=NOW - timedelta(minutes=1),
    )


# Taking.


class Taken(Enum):
    CLAIMED = auto()
    CLAIMED_AND_STARTED = auto()
    """Its order became processing with it."""
    WITHDRAWN = auto()
    PUT_OFF = auto()
    """Looked at later: somebody captures or voids it just now."""
    ENDED = auto()


TAKEN: Final[Mapping[OperationState, Mapping[OrderStatus, Taken]]] = {
    O.PENDING: {
        **dict.fromkeys(S, Taken.CLAIMED),
        S.PENDING: Taken.CLAIMED_AND_STARTED,
        S.CANCELED: Taken.WITHDRAWN,
    },
    O.UNKNOWN: {**dict.fromkeys(S, Taken.CLAIMED), S.PENDING: Taken.CLAIMED_AND_STARTED},
    O.HELD: {
        **dict.fromkeys(S, Taken.ENDED),
        S.AUTHORIZED: Taken.CLAIMED,
        S.PROCESSING: Taken.PUT_OFF,
    },
}


def meant_by_taking(taken: Taken, operation: PaymentOperation) -> PaymentOperation:
    match taken:
        case Taken.CLAIMED | Taken.CLAIMED_AND_STARTED:
            return operation.claim(lease=LEASE, now=NOW)
        case Taken.WITHDRAWN:
            return operation.end(O.WITHDRAWN, NOW)
        case Taken.PUT_OFF:
            return operation.hold(NOW + LOOKED_AT_EVERY, NOW)
        case Taken.ENDED:
            return operation.end(O.SUCCEEDED, NOW)


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize(
    ("state", "status", "taken"),
    [(state, status, taken) for state, row in TAKEN.items() for status, taken in row.items()],
)
def test_an_operation_that_is_due_is_claimed_or_ends_as_its_order_says(
    kind: OperationKind, state: OperationState, status: OrderStatus, taken: Taken
) -> None:
    order, moment = an_order(status, kind), a_moment()
    operation = an_operation(order, kind, state, claimed=False)
    settlement = take(operation, order, lease=LEASE, moment=moment)
    assert settlement.operation == meant_by_taking(taken, operation)
    if taken is Taken.CLAIMED_AND_STARTED:
        started = order.start_processing(event_id=moment.event_ids[0], now=NOW)
        assert settlement.changes == (started,)
    else:
        assert settlement.changes == ()


def test_an_operation_that_was_withdrawn_was_never_sent() -> None:
    order = an_order(S.CANCELED, K.CHARGE)
    operation = an_operation(order, K.CHARGE, O.PENDING, claimed=False)
    withdrawn = take(operation, order, lease=LEASE, moment=a_moment()).operation
    assert (withdrawn.state, withdrawn.is_claimed) == (O.WITHDRAWN, False)
    assert (withdrawn.attempts, withdrawn.first_sent_at) == (operation.attempts, None)


# Settling.


class Answer(StrEnum):
    APPROVED = auto()
    DECLINED = auto()
    LAPSED = auto()
    """Declined, for the authorization is no more."""
    SILENCE = auto()
    OTHER_AMOUNT = auto()
    OTHER_CURRENCY = auto()
    OTHER_REFERENCE = auto()

    def to(self, operation: PaymentOperation) -> Outcome:
        approved = Approved(
            reference=str(operation.id),
            amount=operation.amount,
            payment_id="pay_1",
            expires_at=LAPSES,
        )
        one_more = operation.amount.amount_minor + 1
        outcomes: dict[Answer, Outcome] = {
            Answer.APPROVED: approved,
            Answer.DECLINED: Declined(DECLINED),
            Answer.LAPSED: Declined(EXPIRED),
            Answer.SILENCE: Unknown("timeout"),
            Answer.OTHER_AMOUNT: replace(approved, amount=euros(one_more)),
            Answer.OTHER_CURRENCY: replace(
                approved, amount=replace(operation.amount, currency="USD")
            ),
            Answer.OTHER_REFERENCE: replace(approved, reference=str(ids.new())),
        }
        return outcomes[self]


MISMATCHES: Final = (Answer.OTHER_AMOUNT, Answer.OTHER_CURRENCY, Answer.OTHER_REFERENCE)


@dataclass(frozen=True)
class Becomes:
    """The operation's state, the order's status and the events, one for each version."""

    state: OperationState
    status: OrderStatus
    events: tuple[EventType, ...]


REFUND_SUCCEEDED: Final = (EventType.ORDER_REFUNDED, EventType.REFUND_SUCCEEDED)

SENT: Final[Mapping[tuple[OperationKind, Answer], Becomes]] = {
    (K.CHARGE, Answer.APPROVED): Becomes(O.SUCCEEDED, S.PAID, (EventType.ORDER_PAID,)),
    (K.CHARGE, Answer.DECLINED): Becomes(O.FAILED, S.FAILED, (EventType.ORDER_FAILED,)),
    (K.CHARGE, Answer.LAPSED): Becomes(O.FAILED, S.FAILED, (EventType.ORDER_FAILED,)),
    (K.AUTHORIZE, Answer.APPROVED): Becomes(O.HELD, S.AUTHORIZED, (EventType.ORDER_AUTHORIZED,)),
    (K.AUTHORIZE, Answer.DECLINED): Becomes(O.FAILED, S.FAILED, (EventType.ORDER_FAILED,)),
    (K.AUTHORIZE, Answer.LAPSED): Becomes(O.FAILED, S.FAILED, (EventType.ORDER_FAILED,)),
    (K.CAPTURE, Answer.APPROVED): Becomes(O.SUCCEEDED, S.PAID, (EventType.ORDER_PAID,)),
    (K.CAPTURE, Answer.DECLINED): Becomes(O.FAILED, S.AUTHORIZED, (EventType.ORDER_AUTHORIZED,)),
    (K.CAPTURE, Answer.LAPSED): Becomes(O.FAILED, S.FAILED, (EventType.ORDER_FAILED,)),
    (K.VOID, Answer.APPROVED): Becomes(O.SUCCEEDED, S.CANCELED, (EventType.ORDER_CANCELED,)),
    (K.VOID, Answer.DECLINED): Becomes(O.FAILED, S.AUTHORIZED, (EventType.ORDER_AUTHORIZED,)),
    (K.VOID, Answer.LAPSED): Becomes(O.FAILED, S.CANCELED, (EventType.ORDER_CANCELED,)),
}
"""What an answer to an operation that was sent makes of an order from which that can be reached;
from any other it is refused. Refunds are said apart, for they may leave the order where it is."""


def settled(
    operation: PaymentOperation, order: Order, answer: Answer, moment: Moment | None = None
) -> Settlement:
    outcome = answer.to(operation)
    return settle(operation, order, outcome, pause=PAUSE, moment=moment or a_moment())


def events_of(settlement: Settlement) -> tuple[EventType, ...]:
    return tuple(change.event.type for change in settlement.changes)


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize(("kind", "answer"), SENT)
def test_a_definite_answer_changes_the_order_as_the_contract_says_or_is_refused(
    kind: OperationKind, answer: Answer, status: OrderStatus
) -> None:
    order, meant, moment = an_order(status, kind), SENT[kind, answer], a_moment()
    operation = an_operation(order, kind, O.UNKNOWN, claimed=True)
    if meant.status not in TRANSITIONS[status]:
        with pytest.raises(DomainError) as refusal:
            settled(operation, order, answer)
        assert refusal.value.code == f"order_is_{status}"
        return
    settlement = settled(operation, order, answer, moment)
    failed = meant.state is O.FAILED
    failure = {Answer.LAPSED: EXPIRED, Answer.DECLINED: DECLINED}.get(answer)
    assert settlement.operation == replace(
        operation,
        state=meant.state,
        payment_id=None if failed else "pay_1",
        failure=failure,
        problem=None,
        lease_expires_at=None,
        due_at=LAPSES if meant.state is O.HELD else operation.due_at,
        updated_at=NOW,
    )
    (change,) = settlement.changes
    assert events_of(settlement) == meant.events
    assert change.event.id == moment.event_ids[0]
    assert change.operation is None
    assert change.order == replace(
        order,
        status=meant.status,
        captured=operation.amount if meant.status is S.PAID else order.captured,
        failure=failure if meant.status is S.FAILED else None,
        payment_id="pay_1" if meant.status in (S.PAID, S.AUTHORIZED) and not failed else None,
        version=order.version + 1,
        updated_at=NOW,
    )


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("answer", [Answer.APPROVED, Answer.DECLINED, Answer.LAPSED])
def test_a_refund_is_given_back_or_set_free_and_needs_what_was_reserved(
    answer: Answer, status: OrderStatus
) -> None:
    order, moment = an_order(status, K.REFUND), a_moment()
    operation = an_operation(order, K.REFUND, O.UNKNOWN, claimed=True)
    if order.refunding.is_zero:
        with pytest.raises(DomainError) as refusal:
            settled(operation, order, answer)
        assert refusal.value.code == "refund_amount_invalid"
        return
    settlement = settled(operation, order, answer, moment)
    after = settlement.changes[-1].order
    assert after.refunding.is_zero
    if answer is Answer.APPROVED:
        first, second = settlement.changes
        assert settlement.operation.state is O.SUCCEEDED
        assert events_of(settlement) == REFUND_SUCCEEDED
        assert (first.event.id, second.event.id) == moment.event_ids
        assert (first.event.order_version, second.event.order_version) == (8, 9)
        all_of_it = status is S.PARTIALLY_REFUNDED
        assert after.status is (S.REFUNDED if all_of_it else S.PARTIALLY_REFUNDED)
        assert after.refunded == order.refunded + euros(300)
        assert second.order == replace(first.order, version=9)
    else:
        assert settlement.operation.state is O.FAILED
        assert events_of(settlement) == (EventType.REFUND_FAILED,)
        assert after == replace(order, refunding=euros(0), version=8)


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("state", [O.UNKNOWN, O.HELD])
@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("answer", [Answer.SILENCE, *MISMATCHES])
def test_what_is_not_known_never_changes_the_order_and_is_asked_again(
    answer: Answer, kind: OperationKind, state: OperationState, status: OrderStatus
) -> None:
    order = an_order(status, kind)
    operation = an_operation(order, kind, state, claimed=True)
    problem = "mismatch" if answer in MISMATCHES else "timeout"
    rest = LOOKED_AT_EVERY if state is O.HELD else PAUSE
    assert settled(operation, order, answer) == Settlement(
        operation=operation.postpone(Unknown(problem), NOW + rest, NOW), changes=()
    )


@pytest.mark.parametrize(
    ("asked_for", "rest"),
    [
        (None, PAUSE),
        (timedelta(0), PAUSE),
        (timedelta(days=-1), PAUSE),
        (timedelta(seconds=1), PAUSE),
        (timedelta(seconds=60), timedelta(seconds=60)),
        (timedelta(days=1), LONGEST_ASKED_FOR),
        (timedelta.max, LONGEST_ASKED_FOR),
    ],
)
def test_a_gateway_that_asks_for_a_longer_pause_gets_it_and_never_a_shorter_one(
    asked_for: timedelta | None, rest: timedelta
) -> None:
    order = an_order(S.PROCESSING, K.CHARGE)
    operation = an_operation(order, K.CHARGE, O.UNKNOWN, claimed=True)
    outcome = Unknown("throttled", asked_for)
    settlement = settle(operation, order, outcome, pause=PAUSE, moment=a_moment())
    assert settlement.operation.due_at == NOW + rest
    assert settlement.operation.problem == "throttled"


# Watching an authorization that the gateway granted.


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("answer", [Answer.DECLINED, Answer.LAPSED])
def test_a_held_authorization_that_is_no_more_fails_its_order_only_while_it_is_authorized(
    answer: Answer, status: OrderStatus
) -> None:
    order = an_order(status, K.AUTHORIZE)
    operation = an_operation(order, K.AUTHORIZE, O.HELD, claimed=True)
    settlement = settled(operation, order, answer)
    if status is not S.AUTHORIZED:
        later = operation.hold(NOW + LOOKED_AT_EVERY, NOW)
        assert settlement == Settlement(operation=later, changes=())
        return
    failure = EXPIRED if answer is Answer.LAPSED else DECLINED
    assert settlement.operation == operation.fail(failure, NOW)
    assert events_of(settlement) == (EventType.ORDER_FAILED,)
    (change,) = settlement.changes
    assert change.order.failure == failure


@pytest.mark.parametrize("status", OrderStatus)
def test_a_held_authorization_that_stands_is_held_on_and_tells_nobody(status: OrderStatus) -> None:
    order = an_order(status, K.AUTHORIZE)
    operation = an_operation(order, K.AUTHORIZE, O.HELD, claimed=True)
    assert settled(operation, order, Answer.APPROVED) == Settlement(
        operation=replace(operation.hold(LAPSES, NOW), payment_id="pay_1"), changes=()
    )


@pytest.mark.parametrize(
    ("expires_at", "looked_at"),
    [
        (None, NOW + LOOKED_AT_EVERY),
        (LAPSES, LAPSES),
        (NOW, NOW),
        (NOW - timedelta(microseconds=1), NOW + LOOKED_AT_EVERY),
        (NOW + timedelta(seconds=1), NOW + timedelta(seconds=1)),
    ],
)
@pytest.mark.parametrize(("state", "status"), [(O.UNKNOWN, S.PROCESSING), (O.HELD, S.AUTHORIZED)])
def test_an_authorization_is_looked_at_when_it_lapses_or_within_the_hour(
    state: OperationState, status: OrderStatus, expires_at: datetime | None, looked_at: datetime
) -> None:
    order = an_order(status, K.AUTHORIZE)
    operation = an_operation(order, K.AUTHORIZE, state, claimed=True)
    approved = Approved(reference=str(operation.id), amount=operation.amount, expires_at=expires_at)
    settlement = settle(operation, order, approved, pause=PAUSE, moment=a_moment())
    assert (settlement.operation.state, settlement.operation.due_at) == (O.HELD, looked_at)


def test_a_declined_capture_leaves_what_can_be_captured_again() -> None:
    order = replace(an_order(S.PROCESSING, K.CAPTURE), payment_id="pay_1")
    operation = an_operation(order, K.CAPTURE, O.UNKNOWN, claimed=True)
    (change,) = settled(operation, order, Answer.DECLINED).changes
    assert (change.order.payment_id, change.order.failure) == ("pay_1", None)
    asking = Asking(operation_id=ids.new(), event_id=ids.new(), gateway=GATEWAY, now=NOW)
    again = change.order.request_capture(None, asking).operation
    assert again is not None
    assert again.id != operation.id


# How to ask.

LOOK_AFTER: Final = timedelta(seconds=30)
RESEND_WITHIN: Final = timedelta(hours=12)
INSTANT: Final = timedelta(microseconds=1)


@pytest.mark.parametrize("kind", OperationKind)
@pytest.mark.parametrize("state", [O.PENDING, O.UNKNOWN])
@pytest.mark.parametrize(
    ("since_first_sent", "step"),
    [
        (None, Step.SEND),
        (timedelta(0), Step.SEND),
        (timedelta(minutes=-1), Step.SEND),
        (LOOK_AFTER - INSTANT, Step.SEND),
        (LOOK_AFTER, Step.LOOK_THEN_SEND),
        (RESEND_WITHIN - INSTANT, Step.LOOK_THEN_SEND),
        (RESEND_WITHIN, Step.LOOK),
        (timedelta(days=365), Step.LOOK),
    ],
)
def test_an_operation_is_sent_then_looked_for_and_at_last_only_looked_for(
    kind: OperationKind,
    state: OperationState,
    since_first_sent: timedelta | None,
    step: Step,
) -> None:
    operation = an_operation(an_order(S.PROCESSING, kind), kind, state, claimed=True)
    sent_at = None if since_first_sent is None else NOW - since_first_sent
    operation = replace(operation, first_sent_at=sent_at)
    found = next_step(operation, look_after=LOOK_AFTER, resend_within=RESEND_WITHIN, now=NOW)
    assert found is step


@given(st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_held_authorization_is_only_ever_looked_at(age: timedelta) -> None:
    operation = an_operation(an_order(S.AUTHORIZED, K.AUTHORIZE), K.AUTHORIZE, O.HELD, claimed=True)
    operation = replace(operation, first_sent_at=NOW - age)
    found = next_step(operation, look_after=LOOK_AFTER, resend_within=RESEND_WITHIN, now=NOW)
    assert found is Step.LOOK


def test_nothing_is_sent_beyond_the_key_window_however_late_it_would_be_looked_for() -> None:
    order = an_order(S.PROCESSING, K.CHARGE)
    operation = replace(
        an_operation(order, K.CHARGE, O.UNKNOWN, claimed=True),
        first_sent_at=NOW - RESEND_WITHIN - timedelta(hours=1),
    )
    found = next_step(operation, look_after=2 * RESEND_WITHIN, resend_within=RESEND_WITHIN, now=NOW)
    assert found is Step.LOOK


# A life in which everybody takes turns.

REMEMBERS_KEYS_FOR: Final = timedelta(hours=24)


class Mood(Enum):
    """What the gateway says to what it has not decided yet."""

    WILLING = auto()
    UNWILLING = auto()


class Way(Enum):
    """How an exchange goes."""

    WELL = auto()
    NEVER_SENT = auto()
    """The worker dies between the claim and the call."""
    LOST_ON_THE_WAY = auto()
    ANSWER_LOST = auto()
    ANSWER_OF_ANOTHER_AMOUNT = auto()
    NOT_FOUND_YET = auto()
    """A look finds nothing, for the gateway's books lag behind what it did."""


class Gateway:
    """A gateway that forgets a key after a day, and would then do the same again; it finds what it
    did for ever. It declines to take what it does not hold, and has nothing against giving back
    more than was taken: that must not be asked of it."""

    def __init__(self) -> None:
        self.outcomes: dict[UUID, tuple[Outcome, datetime]] = {}
        self.effects: list[UUID] = []
        self.taken = 0
        self.given_back = 0
        self.holds = False
        self.has_lapsed = False

    def lapse(self) -> None:
        self.holds, self.has_lapsed = False, True

    def execute(self, operation: PaymentOperation, mood: Mood, now: datetime) -> Outcome:
        known = self.outcomes.get(operation.id)
        if known is not None and now - known[1] < REMEMBERS_KEYS_FOR:
            return known[0]
        outcome: Outcome = Approved(
            reference=str(operation.id), amount=operation.amount, payment_id="pay_1"
        )
        if operation.kind in (K.CAPTURE, K.VOID) and not self.holds:
            outcome = Declined(EXPIRED)
        elif mood is Mood.UNWILLING:
            outcome = Declined(DECLINED)
        else:
            self._do(operation)
        self.outcomes[operation.id] = (outcome, now)
        return outcome

    def find(self, operation: PaymentOperation, mood: Mood) -> Outcome:
        """An authorization that was captured or voided may be found standing or gone."""
        outcome, _ = self.outcomes.get(operation.id, (Unknown("not_found"), None))
        if operation.kind is K.AUTHORIZE and isinstance(outcome, Approved) and not self.holds:
            gone = self.has_lapsed or mood is Mood.UNWILLING
            return Declined(EXPIRED) if gone else outcome
        return outcome

    def _do(self, operation: PaymentOperation) -> None:
        self.effects.append(operation.id)
        minor = operation.amount.amount_minor
        match operation.kind:
            case K.CHARGE:
                self.taken += minor
            case K.AUTHORIZE:
                self.holds = True
            case K.CAPTURE:
                self.taken += minor
                self.holds = False
            case K.VOID:
                self.holds = False
            case K.REFUND:
                self.given_back += minor


ENDS: Final = frozenset({O.SUCCEEDED, O.FAILED, O.WITHDRAWN})
ways = st.sampled_from([Way.WELL, Way.WELL, Way.WELL, *Way])
moods = st.sampled_from([Mood.WILLING, Mood.WILLING, Mood.UNWILLING])
parts = st.none() | st.sampled_from([1, 400, 1000])
numbers = st.integers(0, 7)
whiles = st.sampled_from([LEASE, LEASE, LEASE, timedelta(hours=13), timedelta(hours=25)])


class Life(RuleBasedStateMachine):
    """An integrator asks, workers take, send, die and record late, and the gateway decides."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.gateway = Gateway()
        self.operations: dict[UUID, PaymentOperation] = {}
        self.heard: list[tuple[PaymentOperation, Outcome]] = []
        self.ended: list[UUID] = []
        self.events: list[EventType] = []

    @initialize(
        method=st.sampled_from([CaptureMethod.AUTOMATIC, *[CaptureMethod.MANUAL] * 2]),
        begun=st.sampled_from([0, 1, 1, 1, 2, 2, 2]),
        part=parts,
        keep=st.booleans(),
    )
    def place(self, method: CaptureMethod, begun: int, part: int | None, keep: bool) -> None:
        """An order that is pending; or paid or authorized; or more is asked for already."""
        request = a_request(amount=euros(1000), capture_method=method)
        change = a_placement(request=request)
        self.order = replace(change.order, version=0)
        self.save(change)
        if begun > 0:
            self.work(0, Mood.WILLING, Way.WELL, at_once=True)
        if begun > 1 and method is CaptureMethod.AUTOMATIC:
            self.refund(part)
        elif begun > 1 and keep:
            self.capture(part)
        elif begun > 1:
            self.cancel()

    def save(self, change: Change) -> None:
        """One version and one event at a time."""
        assert change.order.version == change.event.order_version == self.order.version + 1
        assert change.order.id == change.event.order_id == self.order.id
        self.order = change.order
        self.events.append(change.event.type)
        if change.operation is not None:
            self.operations[change.operation.id] = change.operation

    def settled(self, settlement: Settlement) -> None:
        operation = settlement.operation
        if operation.state in ENDS:
            self.ended.append(operation.id)
        for change in settlement.changes:
            self.save(change)
        self.operations[operation.id] = operation

    # The integrator.

    def ask(self, verb: Callable[[Asking], Change]) -> None:
        asking = Asking(operation_id=ids.new(), event_id=ids.new(), gateway=GATEWAY, now=self.now)
        with suppress(DomainError):
            self.save(verb(asking))

    @precondition(lambda self: self.order.status is S.AUTHORIZED)
    @rule(part=parts)
    def capture(self, part: int | None) -> None:
        amount = None if part is None else euros(part)
        self.ask(lambda asking: self.order.request_capture(amount, asking))

    @precondition(lambda self: self.order.status in (S.PENDING, S.AUTHORIZED))
    @rule()
    def cancel(self) -> None:
        self.ask(self.order.request_cancel)

    @precondition(lambda self: self.order.status in CAPTURED)
    @rule(part=parts)
    def refund(self, part: int | None) -> None:
        amount = None if part is None else euros(part)
        self.ask(lambda asking: self.order.request_refund(amount, None, asking))

    # Time.

    @rule(a_while=whiles)
    def time_passes(self, a_while: timedelta) -> None:
        self.now += a_while

    @precondition(lambda self: self.gateway.holds)
    @rule()
    def the_authorization_lapses(self) -> None:
        self.gateway.lapse()

    # Workers.

    @property
    def open(self) -> list[PaymentOperation]:
        return [each for each in self.operations.values() if each.state not in ENDS]

    @precondition(lambda self: self.open)
    @rule(number=numbers, mood=moods, way=ways, at_once=st.booleans())
    def work(self, number: int, mood: Mood, way: Way, at_once: bool) -> None:
        """Somebody takes what is due next, or waits until it is, and asks the gateway."""
        operation = self.open[number % len(self.open)]
        self.now = max(self.now, operation.due_at)
        self.settled(take(operation, self.order, lease=LEASE, moment=a_moment(self.now)))
        claimed = self.operations[operation.id]
        if not claimed.is_claimed or way is Way.NEVER_SENT:
            return
        self.heard.append((claimed, self.exchange(claimed, mood, way)))
        if at_once:
            self.record(len(self.heard) - 1)

    @precondition(lambda self: self.order.status is S.AUTHORIZED)
    @rule(mood=moods, lapses=st.booleans(), part=parts, keep=st.booleans())
    def look_while_more_is_asked(
        self, mood: Mood, lapses: bool, part: int | None, keep: bool
    ) -> None:
        """The answer about what is held is under way when it is to be captured or voided."""
        if lapses:
            self.gateway.lapse()
        (held,) = (number for number, each in enumerate(self.open) if each.state is O.HELD)
        self.work(held, mood, Way.WELL, at_once=False)
        if keep:
            self.capture(part)
        else:
            self.cancel()

    @precondition(lambda self: self.heard)
    @rule(number=numbers)
    def record(self, number: int) -> None:
        claimed, outcome = self.heard.pop(number % len(self.heard))
        operation, before = self.operations[claimed.id], self.order
        if operation.fence != claimed.fence or not operation.is_claimed:
            return  # stale, as the store has it
        settlement = settle(operation, before, outcome, pause=PAUSE, moment=a_moment(self.now))
        self.settled(settlement)
        assert not settlement.operation.is_claimed
        if isinstance(operation.verified(outcome), Unknown):
            assert self.order == before
        elif operation.state is O.HELD and self.order != before:
            assert (before.status, self.order.status) == (S.AUTHORIZED, S.FAILED)
            assert self.gateway.has_lapsed

    def exchange(self, claimed: PaymentOperation, mood: Mood, way: Way) -> Outcome:
        if way is Way.LOST_ON_THE_WAY:
            return Unknown("timeout")
        outcome = self.answer(claimed, mood, way)
        if way is Way.ANSWER_LOST:
            return Unknown("timeout")
        if way is Way.ANSWER_OF_ANOTHER_AMOUNT and isinstance(outcome, Approved):
            return replace(outcome, amount=outcome.amount + euros(1))
        return outcome

    def answer(self, claimed: PaymentOperation, mood: Mood, way: Way) -> Outcome:
        step = next_step(claimed, look_after=LOOK_AFTER, resend_within=RESEND_WITHIN, now=self.now)
        found = self.gateway.find(claimed, mood)
        if way is Way.NOT_FOUND_YET:
            found = Unknown("not_found")
        knows_nothing = isinstance(found, Unknown)
        if step is Step.SEND or (step is Step.LOOK_THEN_SEND and knows_nothing):
            return self.gateway.execute(claimed, mood, self.now)
        return found

    # What holds at any moment.

    def sum_of(self, *kinds: OperationKind, states: frozenset[OperationState]) -> int:
        return sum(
            each.amount.amount_minor
            for each in self.operations.values()
            if each.kind in kinds and each.state in states
        )

    @invariant()
    def the_order_says_what_its_operations_say(self) -> None:
        succeeded = frozenset({O.SUCCEEDED})
        assert self.order.captured == euros(self.sum_of(K.CHARGE, K.CAPTURE, states=succeeded))
        assert self.order.refunded == euros(self.sum_of(K.REFUND, states=succeeded))
        assert self.order.refunding == euros(self.sum_of(K.REFUND, states=UNSETTLED))

    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        order, gateway = self.order, self.gateway
        captured, refunded = order.captured.amount_minor, order.refunded.amount_minor
        assert 0 <= gateway.given_back <= gateway.taken <= order.request.amount.amount_minor
        assert gateway.taken == captured or (captured == 0 and order.status is S.PROCESSING)
        assert refunded <= gateway.given_back <= refunded + order.refunding.amount_minor

    @invariant()
    def each_operation_has_one_effect_and_one_end(self) -> None:
        assert len(self.gateway.effects) == len(set(self.gateway.effects))
        assert len(self.ended) == len(set(self.ended))

    @invariant()
    def each_version_has_one_event_and_each_refund_two_or_three(self) -> None:
        assert len(self.events) == self.order.version
        told = [self.events.count(each) for each in REFUND_SUCCEEDED]
        refunds = [each for each in self.operations.values() if each.kind is K.REFUND]
        succeeded = sum(each.state is O.SUCCEEDED for each in refunds)
        assert told == [succeeded, succeeded]
        assert self.events.count(EventType.REFUND_CREATED) == len(refunds)
        failed = sum(each.state is O.FAILED for each in refunds)
        assert self.events.count(EventType.REFUND_FAILED) == failed

    @invariant()
    def an_order_that_came_to_nothing_left_nothing_at_the_gateway(self) -> None:
        if self.order.status in (S.FAILED, S.CANCELED):
            assert (self.gateway.taken, self.gateway.holds) == (0, False)

    @invariant()
    def an_order_that_waits_has_just_the_one_operation_that_it_waits_for(self) -> None:
        waits_for = [
            each
            for each in self.operations.values()
            if each.state in UNSETTLED and each.kind is not K.REFUND
        ]
        if self.order.status in (S.PENDING, S.PROCESSING):
            assert len(waits_for) == 1
        else:
            assert all(self.order.status is S.CANCELED for each in waits_for)
            assert all(each.state is O.PENDING for each in waits_for)

    @invariant()
    def an_authorized_order_is_watched(self) -> None:
        if self.order.status is S.AUTHORIZED:
            assert [each.kind for each in self.operations.values() if each.state is O.HELD] == [
                K.AUTHORIZE
            ]

    @invariant()
    def only_an_automatic_order_is_charged(self) -> None:
        automatic = self.order.request.capture_method is CaptureMethod.AUTOMATIC
        kinds = {each.kind for each in self.operations.values()} - {K.REFUND}
        assert kinds == {K.CHARGE} if automatic else kinds <= {K.AUTHORIZE, K.CAPTURE, K.VOID}

    @invariant()
    def what_was_withdrawn_was_never_sent(self) -> None:
        for each in self.operations.values():
            if each.state is O.WITHDRAWN:
                assert self.order.status is S.CANCELED
                assert each.id not in self.gateway.outcomes

    @invariant()
    def a_failure_is_told_exactly_when_the_order_failed(self) -> None:
        assert (self.order.failure is not None) == (self.order.status is S.FAILED)

    def teardown(self) -> None:
        """When the fault is gone all is settled, but for what only a person can find out: what was
        to be sent so long ago that it may not be sent again, and is not found."""
        for _ in range(2):
            for number, each in reversed(list(enumerate(self.open))):
                if each.state in UNSETTLED:
                    self.work(number, Mood.WILLING, Way.WELL, at_once=True)
        left = [each for each in self.open if each.state in UNSETTLED]
        assert all(each.problem == "not_found" for each in left)
        assert all(each.id not in self.gateway.outcomes for each in left)
        if self.operations and not left:
            assert self.order.status not in (S.PENDING, S.PROCESSING)
            assert self.order.refunding.is_zero
            assert self.order.captured == euros(self.gateway.taken)
            assert self.order.refunded == euros(self.gateway.given_back)


Life.TestCase.settings = settings(max_examples=200, stateful_step_count=25)
TestLife = Life.TestCase
