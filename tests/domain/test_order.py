"""An order's life: what each verb may do, from where, and what it leaves behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum, auto
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.errors import DomainError
from domain.event import EventType, OrderEvent
from domain.money import MAX_AMOUNT_MINOR, Money
from domain.order import (
    MAX_ORDER_AMOUNT_MINOR,
    TRANSITIONS,
    Asking,
    CaptureMethod,
    Change,
    Order,
    OrderRequest,
    OrderStatus,
)
from domain.payment import Failure, OperationKind, OperationState, PaymentOperation
from tests.examples import GATEWAY, a_placement, a_request, failures, ids, requests
from tests.fakes import NOW

S = OrderStatus

MEANT: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    S.PENDING: frozenset({S.PROCESSING, S.CANCELED}),
    S.PROCESSING: frozenset({S.AUTHORIZED, S.PAID, S.FAILED, S.CANCELED}),
    S.AUTHORIZED: frozenset({S.PROCESSING, S.FAILED}),
    S.PAID: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.PARTIALLY_REFUNDED: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.FAILED: frozenset(),
    S.CANCELED: frozenset(),
    S.REFUNDED: frozenset(),
}
"""The contract, said once more: a slip in the domain's table must not pass by agreeing with
itself."""

LATER: Final = NOW + timedelta(hours=1)
DECLINED: Final = Failure(code="card_declined", message="The card was declined.")
CAPTURED: Final = frozenset({S.PAID, S.PARTIALLY_REFUNDED, S.REFUNDED})
OPEN_TO_REFUNDS: Final = frozenset({S.PAID, S.PARTIALLY_REFUNDED})

Verb = Callable[[Order, Asking], Change]


def asking() -> Asking:
    return Asking(operation_id=ids.new(), event_id=ids.new(), gateway=GATEWAY, now=LATER)


def euros(minor: int) -> Money:
    return Money(amount_minor=minor, currency="EUR")


def start(order: Order, by: Asking) -> Change:
    return order.start_processing(event_id=by.event_id, now=by.now)


def authorize(order: Order, by: Asking) -> Change:
    return order.authorize("pay_1", event_id=by.event_id, now=by.now)


def fail(order: Order, by: Asking) -> Change:
    return order.fail(DECLINED, event_id=by.event_id, now=by.now)


def cancel(order: Order, by: Asking) -> Change:
    return order.cancel(event_id=by.event_id, now=by.now)


def pay(minor: int) -> Verb:
    return lambda order, by: order.pay(euros(minor), "pay_1", event_id=by.event_id, now=by.now)


def refund(minor: int) -> Verb:
    return lambda order, by: order.refund(euros(minor), event_id=by.event_id, now=by.now)


def release(minor: int) -> Verb:
    return lambda order, by: order.release_refund(euros(minor), event_id=by.event_id, now=by.now)


def request_capture(minor: int | None) -> Verb:
    return lambda order, by: order.request_capture(None if minor is None else euros(minor), by)


def request_cancel(order: Order, by: Asking) -> Change:
    return order.request_cancel(by)


def request_refund(minor: int | None, reason: str | None = None) -> Verb:
    return lambda order, by: order.request_refund(
        None if minor is None else euros(minor), reason, by
    )


def an_order(*verbs: Verb, capture: CaptureMethod = CaptureMethod.AUTOMATIC) -> Order:
    """A 1,000-cent order after `verbs`."""
    request = a_request(amount=euros(1000), capture_method=capture)
    order = a_placement(request=request).order
    for verb in verbs:
        order = verb(order, asking()).order
    return order


manual: Final = partial(an_order, capture=CaptureMethod.MANUAL)

LIVES: Final[Mapping[OrderStatus, tuple[Order, ...]]] = {
    S.PENDING: (an_order(), manual()),
    S.PROCESSING: (
        an_order(start),
        manual(start),
        manual(start, authorize, request_capture(400)),
        manual(start, authorize, request_cancel),
    ),
    S.AUTHORIZED: (
        manual(start, authorize),
        manual(start, authorize, request_capture(None), authorize),
    ),
    S.PAID: (
        an_order(start, pay(1000)),
        manual(start, authorize, request_capture(400), pay(400)),
        an_order(start, pay(1000), request_refund(1), request_refund(999)),
        an_order(start, pay(1000), request_refund(1000), release(1000)),
    ),
    S.FAILED: (an_order(start, fail), manual(start, authorize, fail)),
    S.CANCELED: (an_order(request_cancel), manual(start, authorize, request_cancel, cancel)),
    S.PARTIALLY_REFUNDED: (
        an_order(start, pay(1000), request_refund(1), refund(1)),
        an_order(start, pay(1000), request_refund(1000), refund(1)),
    ),
    S.REFUNDED: (an_order(start, pay(1000), request_refund(None), refund(1000)),),
}
"""Each status, reached by verbs."""

GATEWAY_VERBS: Final[Mapping[str, tuple[Verb, ...]]] = {
    "start_processing": (start,),
    "authorize": (authorize,),
    "fail": (fail,),
    "cancel": (cancel,),
    "pay": tuple(pay(minor) for minor in (1, 400, 999, 1000)),
    "refund": tuple(refund(minor) for minor in (1, 400, 999, 1000)),
}
REQUESTS: Final[Mapping[str, tuple[Verb, ...]]] = {
    "request_capture": tuple(request_capture(minor) for minor in (None, 1, 1000)),
    "request_cancel": (request_cancel,),
    "request_refund": tuple(request_refund(minor) for minor in (None, 1, 1000)),
}
ACCEPTED_FROM: Final[Mapping[str, frozenset[OrderStatus]]] = {
    "start_processing": frozenset({S.PENDING, S.AUTHORIZED}),
    "authorize": frozenset({S.PROCESSING}),
    "fail": frozenset({S.PROCESSING, S.AUTHORIZED}),
    "cancel": frozenset({S.PENDING, S.PROCESSING}),
    "pay": frozenset({S.PROCESSING}),
    "refund": OPEN_TO_REFUNDS,
    "request_capture": frozenset({S.AUTHORIZED}),
    "request_cancel": frozenset({S.PENDING, S.AUTHORIZED}),
    "request_refund": OPEN_TO_REFUNDS,
}


def test_the_table_of_transitions_is_the_contract() -> None:
    assert TRANSITIONS == MEANT


def answer_of(verb: Verb, order: Order, by: Asking) -> Change | DomainError:
    try:
        return verb(order, by)
    except DomainError as refusal:
        return refusal


@pytest.mark.parametrize("status", OrderStatus)
def test_from_each_status_the_verbs_lead_exactly_where_the_contract_says(
    status: OrderStatus,
) -> None:
    reached = set()
    for order in LIVES[status]:
        assert order.status is status
        for verb in (verb for verbs in GATEWAY_VERBS.values() for verb in verbs):
            answer = answer_of(verb, order, asking())
            if isinstance(answer, Change):
                reached.add(answer.order.status)
    assert reached == MEANT[status]


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("name", ACCEPTED_FROM)
def test_a_verb_is_accepted_from_exactly_the_statuses_that_the_contract_names(
    name: str, status: OrderStatus
) -> None:
    verbs = {**GATEWAY_VERBS, **REQUESTS}[name]
    answers = [answer_of(verb, order, asking()) for verb in verbs for order in LIVES[status]]
    accepted = any(isinstance(answer, Change) for answer in answers)
    assert accepted == (status in ACCEPTED_FROM[name])


@pytest.mark.parametrize(
    ("name", "status"),
    [(name, status) for name in REQUESTS for status in S if status not in ACCEPTED_FROM[name]],
)
def test_a_request_that_comes_at_the_wrong_time_is_told_what_the_order_is(
    name: str, status: OrderStatus
) -> None:
    for order in LIVES[status]:
        for verb in REQUESTS[name]:
            with pytest.raises(DomainError) as refusal:
                verb(order, asking())
            assert (refusal.value.code, refusal.value.field) == (f"order_is_{status}", None)
            assert refusal.value.detail.startswith(f"The order is {status}. Only ")


class Share(StrEnum):
    """How much is asked for, measured against what there is."""

    NOTHING = auto()
    ONE = auto()
    HALF = auto()
    ALL = auto()
    ONE_TOO_MANY = auto()
    MOST = auto()

    def of(self, whole: Money, currency: str | None) -> Money:
        minor = {
            Share.NOTHING: 0,
            Share.ONE: 1,
            Share.HALF: whole.amount_minor // 2,
            Share.ALL: whole.amount_minor,
            Share.ONE_TOO_MANY: whole.amount_minor + 1,
            Share.MOST: MAX_AMOUNT_MINOR,
        }[self]
        return Money(amount_minor=minor, currency=currency or whole.currency)


shares = st.sampled_from(Share)
# Mostly the order's own currency; the other one must be refused.
other_currencies = st.sampled_from([None, None, None, None, "EUR", "JPY"])
payment_ids = st.sampled_from([None, "pay_1", "pay_2"])


def event_of(order: Order, event_type: EventType, by: Asking) -> OrderEvent:
    return OrderEvent(
        id=by.event_id,
        merchant_id=order.merchant_id,
        order_id=order.id,
        order_version=order.version,
        type=event_type,
        occurred_at=by.now,
    )


def operation_of(
    order: Order, kind: OperationKind, amount: Money, by: Asking, reason: str | None = None
) -> PaymentOperation:
    """What a request leaves for the worker: nobody has sent it, and it is due at once."""
    return PaymentOperation(
        id=by.operation_id,
        merchant_id=order.merchant_id,
        order_id=order.id,
        kind=kind,
        amount=amount,
        gateway=by.gateway,
        payment_method=None,
        payment_id=order.payment_id,
        reason=reason,
        state=OperationState.PENDING,
        failure=None,
        problem=None,
        fence=0,
        attempts=0,
        due_at=by.now,
        first_sent_at=None,
        lease_expires_at=None,
        created_at=by.now,
        updated_at=by.now,
    )


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What the contract makes of a verb: whether the status allows it and the amount fits, then the
    event, which members of the order are different, and the operation's kind, amount and reason."""

    allowed: bool
    fits: bool = True
    event: EventType
    changes: Mapping[str, Any] = field(default_factory=dict)
    operation: tuple[OperationKind, Money, str | None] | None = None

    def refuses_with(self, status: OrderStatus) -> frozenset[str]:
        of_status = frozenset({f"order_is_{status}"})
        of_amount = frozenset(
            {"capture_amount_invalid", "refund_amount_invalid", "currency_mismatch"}
        )
        if self.fits:
            return of_status
        return of_amount if self.allowed else of_amount | of_status


class OrderLife(RuleBasedStateMachine):
    """Throws verbs with any arguments at one order, begun at any point of a life."""

    @initialize(request=requests(), steps=st.integers(0, 6), share=shares)
    def place(self, request: OrderRequest, steps: int, share: Share) -> None:
        self.order = a_placement(request=request).order
        self.told = EventType.ORDER_CREATED
        beginning = (
            self.start_processing,
            partial(self.authorize, "pay_1"),
            partial(self.request_capture, None, None),
            partial(self.pay, Share.ALL, None, None),
            partial(self.request_refund, share, None, None),
            partial(self.refund, share, None),
        )
        for verb in beginning[:steps]:
            verb()

    def attempt(self, verb: Verb, meant: Meant) -> None:
        """It does just what is meant, or nothing at all."""
        before, by = self.order, asking()
        as_it_was = replace(before)
        answer = answer_of(verb, before, by)
        assert before == as_it_was
        if isinstance(answer, DomainError):
            assert not (meant.allowed and meant.fits)
            assert answer.code in meant.refuses_with(before.status)
            return
        assert meant.allowed
        assert meant.fits
        after = replace(
            before, version=before.version + 1, updated_at=by.now, **dict(meant.changes)
        )
        assert after.status is before.status or after.status in MEANT[before.status]
        operation = None
        if meant.operation is not None:
            kind, amount, reason = meant.operation
            operation = operation_of(before, kind, amount, by, reason)
        assert answer == Change(
            order=after, event=event_of(after, meant.event, by), operation=operation
        )
        self.order, self.told = after, meant.event

    def is_in(self, *statuses: OrderStatus) -> bool:
        return self.order.status in statuses

    def is_manual(self) -> bool:
        return self.order.request.capture_method is CaptureMethod.MANUAL

    def fits(self, amount: Money, there_is: Money) -> bool:
        return (
            amount.currency == there_is.currency
            and 1 <= amount.amount_minor <= there_is.amount_minor
        )

    @rule(share=st.none() | shares, currency=other_currencies)
    def request_capture(self, share: Share | None, currency: str | None) -> None:
        whole = self.order.request.amount
        asked = None if share is None else share.of(whole, currency)
        amount = whole if asked is None else asked
        self.attempt(
            lambda order, by: order.request_capture(asked, by),
            Meant(
                allowed=self.is_in(S.AUTHORIZED),
                fits=self.fits(amount, whole),
                event=EventType.ORDER_PROCESSING,
                changes={"status": S.PROCESSING},
                operation=(OperationKind.CAPTURE, amount, None),
            ),
        )

    @rule()
    def request_cancel(self) -> None:
        at_once = self.is_in(S.PENDING)
        self.attempt(
            request_cancel,
            Meant(
                allowed=self.is_in(S.PENDING, S.AUTHORIZED),
                event=EventType.ORDER_CANCELED if at_once else EventType.ORDER_PROCESSING,
                changes={"status": S.CANCELED if at_once else S.PROCESSING},
                operation=None
                if at_once
                else (OperationKind.VOID, self.order.request.amount, None),
            ),
        )

    @rule(
        share=st.none() | shares,
        currency=other_currencies,
        reason=st.sampled_from([None, "", "broken"]),
    )
    def request_refund(self, share: Share | None, currency: str | None, reason: str | None) -> None:
        order = self.order
        left = order.captured - order.refunded - order.refunding
        asked = None if share is None else share.of(left, currency)
        amount = left if asked is None else asked
        fits = self.fits(amount, left)
        self.attempt(
            lambda order, by: order.request_refund(asked, reason, by),
            Meant(
                allowed=self.is_in(*OPEN_TO_REFUNDS),
                fits=fits,
                event=EventType.REFUND_CREATED,
                changes={"refunding": order.refunding + amount} if fits else {},
                operation=(OperationKind.REFUND, amount, reason),
            ),
        )

    @rule()
    def start_processing(self) -> None:
        self.attempt(
            start,
            Meant(
                allowed=self.is_in(S.PENDING, S.AUTHORIZED),
                event=EventType.ORDER_PROCESSING,
                changes={"status": S.PROCESSING},
            ),
        )

    @rule(payment_id=payment_ids)
    def authorize(self, payment_id: str | None) -> None:
        self.attempt(
            lambda order, by: order.authorize(payment_id, event_id=by.event_id, now=by.now),
            Meant(
                allowed=self.is_in(S.PROCESSING) and self.is_manual(),
                event=EventType.ORDER_AUTHORIZED,
                changes={
                    "status": S.AUTHORIZED,
                    "payment_id": payment_id or self.order.payment_id,
                },
            ),
        )

    @rule(share=shares, currency=other_currencies, payment_id=payment_ids)
    def pay(self, share: Share, currency: str | None, payment_id: str | None) -> None:
        whole = self.order.request.amount
        amount = share.of(whole, currency)
        self.attempt(
            lambda order, by: order.pay(amount, payment_id, event_id=by.event_id, now=by.now),
            Meant(
                allowed=self.is_in(S.PROCESSING),
                fits=self.fits(amount, whole) and (self.is_manual() or amount == whole),
                event=EventType.ORDER_PAID,
                changes={
                    "status": S.PAID,
                    "captured": amount,
                    "payment_id": payment_id or self.order.payment_id,
                },
            ),
        )

    @rule(failure=failures)
    def fail(self, failure: Failure) -> None:
        self.attempt(
            lambda order, by: order.fail(failure, event_id=by.event_id, now=by.now),
            Meant(
                allowed=self.is_in(S.PROCESSING, S.AUTHORIZED),
                event=EventType.ORDER_FAILED,
                changes={"status": S.FAILED, "failure": failure},
            ),
        )

    @rule()
    def cancel(self) -> None:
        self.attempt(
            cancel,
            Meant(
                allowed=self.is_in(S.PENDING, S.PROCESSING),
                event=EventType.ORDER_CANCELED,
                changes={"status": S.CANCELED},
            ),
        )

    @rule(share=shares, currency=other_currencies)
    def refund(self, share: Share, currency: str | None) -> None:
        order = self.order
        amount = share.of(order.refunding, currency)
        changes: dict[str, object] = {}
        if fits := self.fits(amount, order.refunding):
            refunded = order.refunded + amount
            whole = refunded == order.captured
            changes = {
                "status": S.REFUNDED if whole else S.PARTIALLY_REFUNDED,
                "refunded": refunded,
                "refunding": order.refunding - amount,
            }
        self.attempt(
            lambda order, by: order.refund(amount, event_id=by.event_id, now=by.now),
            Meant(
                allowed=self.is_in(*OPEN_TO_REFUNDS),
                fits=fits,
                event=EventType.ORDER_REFUNDED,
                changes=changes,
            ),
        )

    # It tells of the version before, so it is said only after a refund.
    @precondition(lambda self: self.told is EventType.ORDER_REFUNDED)
    @rule()
    def close_refund(self) -> None:
        self.attempt(
            lambda order, by: order.close_refund(event_id=by.event_id, now=by.now),
            Meant(allowed=True, event=EventType.REFUND_SUCCEEDED),
        )

    @rule(share=shares, currency=other_currencies)
    def release_refund(self, share: Share, currency: str | None) -> None:
        reserved = self.order.refunding
        amount = share.of(reserved, currency)
        fits = self.fits(amount, reserved)
        self.attempt(
            lambda order, by: order.release_refund(amount, event_id=by.event_id, now=by.now),
            Meant(
                allowed=self.is_in(*OPEN_TO_REFUNDS),
                fits=fits,
                event=EventType.REFUND_FAILED,
                changes={"refunding": reserved - amount} if fits else {},
            ),
        )

    @invariant()
    def never_takes_or_returns_more_than_there_is(self) -> None:
        order = self.order
        whole, captured = order.request.amount.amount_minor, order.captured.amount_minor
        refunded, refunding = order.refunded.amount_minor, order.refunding.amount_minor
        assert 0 <= refunded <= refunded + refunding <= captured <= whole

    @invariant()
    def the_status_is_what_the_money_says(self) -> None:
        order = self.order
        assert (not order.captured.is_zero) == (order.status in CAPTURED)
        partly = not order.refunded.is_zero and order.refunded != order.captured
        assert partly == self.is_in(S.PARTIALLY_REFUNDED)
        all_of_it = not order.captured.is_zero and order.refunded == order.captured
        assert all_of_it == self.is_in(S.REFUNDED)

    @invariant()
    def a_failure_is_told_exactly_when_the_order_failed(self) -> None:
        assert (self.order.failure is not None) == self.is_in(S.FAILED)

    @invariant()
    def an_automatic_order_is_never_authorized(self) -> None:
        assert self.is_manual() or not self.is_in(S.AUTHORIZED)

    @invariant()
    def an_automatic_order_is_captured_whole_or_not_at_all(self) -> None:
        order = self.order
        assert self.is_manual() or order.captured.is_zero or order.captured == order.request.amount


OrderLife.TestCase.settings = settings(max_examples=150, stateful_step_count=20)
TestOrderLife = OrderLife.TestCase


@given(requests())
def test_a_placed_order_is_pending_with_one_event_and_one_operation(request: OrderRequest) -> None:
    change = a_placement(request=request, key="k")
    order, event, operation = change.order, change.event, change.operation
    assert (order.status, order.version, order.failure) == (OrderStatus.PENDING, 1, None)
    assert (order.idempotency_key, order.payment_id, order.request) == ("k", None, request)
    assert (order.captured, order.refunded, order.refunding) == (
        Money.zero(request.amount.currency),
    ) * 3
    assert (order.created_at, order.updated_at) == (NOW, NOW)
    assert operation is not None
    by = Asking(operation_id=operation.id, event_id=event.id, gateway=GATEWAY, now=NOW)
    assert event == event_of(order, EventType.ORDER_CREATED, by)
    assert operation == replace(
        operation_of(order, operation.kind, request.amount, by),
        payment_method=request.payment_method,
    )
    assert len({order.id, event.id, operation.id}) == 3


# No verb of an order tells a charge from a capture: that only an automatic order is charged starts
# here, with the one operation that it is born with, and is kept by what settles an operation.
@pytest.mark.parametrize(
    ("capture", "kind"),
    [
        (CaptureMethod.AUTOMATIC, OperationKind.CHARGE),
        (CaptureMethod.MANUAL, OperationKind.AUTHORIZE),
    ],
)
def test_the_first_operation_takes_or_reserves_the_money_as_the_capture_method_says(
    capture: CaptureMethod, kind: OperationKind
) -> None:
    operation = a_placement(request=a_request(capture_method=capture)).operation
    assert operation is not None
    assert operation.kind is kind


@pytest.mark.parametrize("minor", [1, MAX_ORDER_AMOUNT_MINOR])
def test_the_smallest_and_the_largest_amount_are_accepted(minor: int) -> None:
    assert a_placement(request=a_request(amount=euros(minor))).order.request.amount == euros(minor)


@pytest.mark.parametrize("minor", [0, MAX_ORDER_AMOUNT_MINOR + 1, MAX_AMOUNT_MINOR])
def test_an_amount_out_of_range_is_refused_by_the_name_of_its_field(minor: int) -> None:
    with pytest.raises(DomainError) as refusal:
        a_placement(request=a_request(amount=euros(minor)))
    assert (refusal.value.code, refusal.value.field) == ("amount_out_of_range", "amount_cents")


def code_and_field(verb: Verb, order: Order) -> tuple[str, str | None]:
    """Of the refusal."""
    with pytest.raises(DomainError) as refusal:
        verb(order, asking())
    return refusal.value.code, refusal.value.field


@pytest.mark.parametrize("minor", [0, 1001, MAX_AMOUNT_MINOR])
def test_a_capture_takes_one_up_to_the_amount(minor: int) -> None:
    held = manual(start, authorize)
    assert code_and_field(request_capture(minor), held) == (
        "capture_amount_invalid",
        "amount_cents",
    )
    asked = manual(start, authorize, request_capture(None))
    assert code_and_field(pay(minor), asked)[0] == "capture_amount_invalid"


@pytest.mark.parametrize(("asked", "taken"), [(None, 1000), (1, 1), (400, 400), (1000, 1000)])
def test_a_capture_is_asked_for_all_unless_an_amount_is_named(
    asked: int | None, taken: int
) -> None:
    operation = request_capture(asked)(manual(start, authorize), asking()).operation
    assert operation is not None
    assert (operation.kind, operation.amount) == (OperationKind.CAPTURE, euros(taken))


def test_an_automatic_order_is_paid_whole_or_not_at_all() -> None:
    assert code_and_field(pay(999), an_order(start))[0] == "capture_amount_invalid"


def test_an_automatic_order_cannot_become_authorized() -> None:
    assert code_and_field(authorize, an_order(start))[0] == "order_is_processing"


def test_a_captured_order_cannot_be_canceled() -> None:
    order = an_order(start, pay(1000))
    assert code_and_field(request_cancel, order) == ("order_is_paid", None)
    assert code_and_field(cancel, order) == ("order_is_paid", None)


def test_a_processing_order_cannot_be_canceled_by_its_integrator() -> None:
    assert code_and_field(request_cancel, an_order(start)) == ("order_is_processing", None)


def test_an_order_that_is_being_captured_is_neither_captured_again_nor_canceled() -> None:
    order = manual(start, authorize, request_capture(400))
    assert code_and_field(request_capture(None), order) == ("order_is_processing", None)
    assert code_and_field(request_cancel, order) == ("order_is_processing", None)


def test_a_pending_order_is_canceled_without_asking_the_gateway() -> None:
    change = request_cancel(an_order(), asking())
    assert (change.order.status, change.operation) == (OrderStatus.CANCELED, None)


def test_an_authorized_order_is_canceled_once_the_gateway_let_go_of_all_that_it_holds() -> None:
    change = request_cancel(manual(start, authorize), asking())
    assert change.order.status is OrderStatus.PROCESSING
    assert change.operation is not None
    assert (change.operation.kind, change.operation.amount) == (OperationKind.VOID, euros(1000))
    assert change.operation.payment_id == "pay_1"


def test_refunds_together_never_exceed_a_partial_capture() -> None:
    captured = (start, authorize, request_capture(400), pay(400))
    order = manual(*captured, request_refund(399), refund(399))
    assert code_and_field(request_refund(2), order) == ("refund_amount_invalid", "amount_cents")
    order = manual(*captured, request_refund(399), refund(399), request_refund(1))
    assert refund(1)(order, asking()).order.status is OrderStatus.REFUNDED


def test_what_one_refund_has_reserved_is_not_left_for_another() -> None:
    order = an_order(start, pay(1000), request_refund(600))
    assert code_and_field(request_refund(401), order)[0] == "refund_amount_invalid"
    change = request_refund(None)(order, asking())
    assert change.operation is not None
    assert change.operation.amount == euros(400)
    for nothing_left in (request_refund(None), request_refund(1)):
        assert code_and_field(nothing_left, change.order)[0] == "refund_amount_invalid"


def test_what_a_declined_refund_had_reserved_is_free_again() -> None:
    order = an_order(start, pay(1000), request_refund(600), request_refund(400), release(600))
    assert (order.status, order.refunding) == (OrderStatus.PAID, euros(400))
    change = request_refund(None)(order, asking())
    assert change.operation is not None
    assert change.operation.amount == euros(600)


def test_an_amount_in_another_currency_is_refused() -> None:
    yen = Money(amount_minor=1, currency="JPY")
    by = asking()
    with pytest.raises(DomainError) as refusal:
        manual(start, authorize).request_capture(yen, by)
    assert refusal.value.code == "currency_mismatch"
    with pytest.raises(DomainError) as refusal:
        an_order(start, pay(1000)).request_refund(yen, None, by)
    assert refusal.value.code == "currency_mismatch"


def test_the_gateways_name_for_the_payment_stays_when_it_is_not_said_again() -> None:
    order = manual(start, authorize, request_capture(None))
    paid = order.pay(euros(1000), None, event_id=ids.new(), now=LATER).order
    assert paid.payment_id == "pay_1"
