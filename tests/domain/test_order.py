"""An order's life: what each verb may do, from where, and what it leaves behind."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum, auto
from functools import partial
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.errors import DomainError
from domain.event import EventType, OrderEvent
from domain.money import MAX_AMOUNT_MINOR, Money
from domain.order import (
    MAX_ORDER_AMOUNT_MINOR,
    TRANSITIONS,
    CaptureMethod,
    Change,
    Failure,
    Order,
    OrderRequest,
    OrderStatus,
)
from domain.payment import OperationKind, OperationState
from tests.examples import a_placement, a_request, ids, requests
from tests.fakes import NOW

S = OrderStatus

MEANT: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    S.PENDING: frozenset({S.PROCESSING, S.CANCELED}),
    S.PROCESSING: frozenset({S.AUTHORIZED, S.PAID, S.FAILED}),
    S.AUTHORIZED: frozenset({S.PAID, S.CANCELED, S.FAILED}),
    S.PAID: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.PARTIALLY_REFUNDED: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.FAILED: frozenset(),
    S.CANCELED: frozenset(),
    S.REFUNDED: frozenset(),
}
"""The contract, said once more: a slip in the domain's table must not pass by agreeing with
itself."""

DECLINED: Final = Failure(code="card_declined", message="The card was declined.")

EVENT_OF: Final = {
    S.PROCESSING: EventType.ORDER_PROCESSING,
    S.AUTHORIZED: EventType.ORDER_AUTHORIZED,
    S.PAID: EventType.ORDER_PAID,
    S.FAILED: EventType.ORDER_FAILED,
    S.CANCELED: EventType.ORDER_CANCELED,
    S.PARTIALLY_REFUNDED: EventType.ORDER_REFUNDED,
    S.REFUNDED: EventType.ORDER_REFUNDED,
}

Verb = Callable[[Order], Change]


def euros(minor: int) -> Money:
    return Money(amount_minor=minor, currency="EUR")


def start(order: Order) -> Change:
    return order.start_processing(event_id=ids.new(), now=NOW)


def authorize(order: Order) -> Change:
    return order.authorize(event_id=ids.new(), now=NOW)


def fail(order: Order) -> Change:
    return order.fail(DECLINED, event_id=ids.new(), now=NOW)


def cancel(order: Order) -> Change:
    return order.cancel(event_id=ids.new(), now=NOW)


def pay(minor: int) -> Verb:
    return lambda order: order.pay(euros(minor), event_id=ids.new(), now=NOW)


def refund(minor: int) -> Verb:
    return lambda order: order.refund(euros(minor), event_id=ids.new(), now=NOW)


def an_order(*verbs: Verb, capture: CaptureMethod = CaptureMethod.AUTOMATIC) -> Order:
    """A 1,000-cent order after `verbs`."""
    request = a_request(amount=euros(1000), capture_method=capture)
    order = a_placement(request=request).order
    for verb in verbs:
        order = verb(order).order
    return order


LIVES: Final[Mapping[OrderStatus, tuple[Order, ...]]] = {
    S.PENDING: (an_order(), an_order(capture=CaptureMethod.MANUAL)),
    S.PROCESSING: (an_order(start), an_order(start, capture=CaptureMethod.MANUAL)),
    S.AUTHORIZED: (an_order(start, authorize, capture=CaptureMethod.MANUAL),),
    S.PAID: (
        an_order(start, pay(1000)),
        an_order(start, authorize, pay(400), capture=CaptureMethod.MANUAL),
    ),
    S.FAILED: (an_order(start, fail),),
    S.CANCELED: (an_order(cancel),),
    S.PARTIALLY_REFUNDED: (an_order(start, pay(1000), refund(1)),),
    S.REFUNDED: (an_order(start, pay(1000), refund(1000)),),
}
VERBS: Final = (
    start,
    authorize,
    fail,
    cancel,
    *(verb(minor) for verb in (pay, refund) for minor in (1, 400, 999, 1000)),
)


def test_the_table_of_transitions_is_the_contract() -> None:
    assert TRANSITIONS == MEANT


@pytest.mark.parametrize("status", OrderStatus)
def test_from_each_status_the_verbs_lead_exactly_where_the_contract_says(
    status: OrderStatus,
) -> None:
    reached = set()
    for order in LIVES[status]:
        assert order.status is status
        for verb in VERBS:
            try:
                reached.add(verb(order).order.status)
            except DomainError:
                continue
    assert reached == MEANT[status]


class Share(StrEnum):
    """How much is asked for, measured against what there is."""

    NOTHING = auto()
    ONE = auto()
    HALF = auto()
    ALL = auto()
    ONE_TOO_MANY = auto()
    MOST = auto()

    def of(self, whole: int) -> int:
        return {
            Share.NOTHING: 0,
            Share.ONE: 1,
            Share.HALF: whole // 2,
            Share.ALL: whole,
            Share.ONE_TOO_MANY: whole + 1,
            Share.MOST: MAX_AMOUNT_MINOR,
        }[self]


shares = st.sampled_from(Share)
# Mostly the order's own currency; the other one must be refused.
other_currencies = st.sampled_from([None, None, None, None, "EUR", "JPY"])


def event_of(order: Order, event_type: EventType, event_id: UUID) -> OrderEvent:
    return OrderEvent(
        id=event_id,
        merchant_id=order.merchant_id,
        order_id=order.id,
        order_version=order.version,
        type=event_type,
        occurred_at=NOW,
    )


class OrderLife(RuleBasedStateMachine):
    """Throws verbs with any arguments at one order, begun at any point of a life."""

    @initialize(request=requests(), steps=st.integers(0, 4), share=shares)
    def place(self, request: OrderRequest, steps: int, share: Share) -> None:
        change = a_placement(request=request)
        self.order = change.order
        self.taken = 0
        self.given_back = 0
        assert change.event == event_of(change.order, EventType.ORDER_CREATED, change.event.id)
        beginning = (
            self.start_processing,
            self.authorize,
            partial(self.pay, Share.ALL, None),
            partial(self.refund, share, None),
        )
        for verb in beginning[:steps]:
            verb()

    def attempt(self, verb: Callable[[Order, UUID], Change]) -> bool:
        """Whether the verb was accepted; when it was refused, nothing is different."""
        before, event_id = self.order, ids.new()
        try:
            change = verb(before, event_id)
        except DomainError:
            return False
        after = change.order
        assert after.status in MEANT[before.status]
        assert after == replace(
            before,
            status=after.status,
            captured=after.captured,
            refunded=after.refunded,
            failure=after.failure,
            version=before.version + 1,
            updated_at=NOW,
        )
        assert change == Change(
            order=after,
            event=event_of(after, EVENT_OF[after.status], event_id),
        )
        self.order = after
        return True

    @rule()
    def start_processing(self) -> None:
        self.attempt(lambda order, event: order.start_processing(event_id=event, now=NOW))

    @rule()
    def authorize(self) -> None:
        self.attempt(lambda order, event: order.authorize(event_id=event, now=NOW))

    @rule(share=shares, currency=other_currencies)
    def pay(self, share: Share, currency: str | None) -> None:
        whole = self.order.request.amount
        amount = Money(
            amount_minor=share.of(whole.amount_minor), currency=currency or whole.currency
        )
        was_authorized = self.order.status is OrderStatus.AUTHORIZED
        if self.attempt(lambda order, event: order.pay(amount, event_id=event, now=NOW)):
            self.taken += amount.amount_minor
            assert self.order.captured == amount
            assert was_authorized or amount == whole

    @rule()
    def fail(self) -> None:
        if self.attempt(lambda order, event: order.fail(DECLINED, event_id=event, now=NOW)):
            assert self.order.failure == DECLINED

    @rule()
    def cancel(self) -> None:
        self.attempt(lambda order, event: order.cancel(event_id=event, now=NOW))

    @rule(share=shares, currency=other_currencies)
    def refund(self, share: Share, currency: str | None) -> None:
        left = self.order.captured.amount_minor - self.order.refunded.amount_minor
        amount = Money(
            amount_minor=share.of(left), currency=currency or self.order.captured.currency
        )
        if self.attempt(lambda order, event: order.refund(amount, event_id=event, now=NOW)):
            self.given_back += amount.amount_minor
            everything_back = self.given_back == self.taken
            assert everything_back == (self.order.status is OrderStatus.REFUNDED)

    @invariant()
    def never_takes_or_returns_more_than_there_is(self) -> None:
        assert 0 <= self.given_back <= self.taken <= self.order.request.amount.amount_minor
        assert self.order.captured.amount_minor == self.taken
        assert self.order.refunded.amount_minor == self.given_back

    @invariant()
    def a_failure_is_told_exactly_when_the_order_failed(self) -> None:
        assert (self.order.failure is not None) == (self.order.status is OrderStatus.FAILED)

    @invariant()
    def an_automatic_order_is_never_authorized(self) -> None:
        automatic = self.order.request.capture_method is CaptureMethod.AUTOMATIC
        assert not (automatic and self.order.status is OrderStatus.AUTHORIZED)


OrderLife.TestCase.settings = settings(max_examples=100, stateful_step_count=16)
TestOrderLife = OrderLife.TestCase


@given(requests())
def test_a_placed_order_is_pending_with_one_event_and_one_operation(request: OrderRequest) -> None:
    change = a_placement(request=request, key="k")
    order, event, operation = change.order, change.event, change.operation
    assert (order.status, order.version, order.failure) == (OrderStatus.PENDING, 1, None)
    assert order.captured.is_zero
    assert order.refunded.is_zero
    assert event == event_of(order, EventType.ORDER_CREATED, event.id)
    assert operation is not None
    assert (operation.merchant_id, operation.order_id) == (order.merchant_id, order.id)
    assert (operation.amount, operation.payment_method) == (request.amount, request.payment_method)
    assert (operation.state, operation.fence, operation.attempts) == (OperationState.PENDING, 0, 0)
    assert (operation.first_sent_at, operation.lease_expires_at) == (None, None)


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


@pytest.mark.parametrize("minor", [0, 1001])
def test_a_capture_takes_one_up_to_the_amount(minor: int) -> None:
    order = an_order(start, authorize, capture=CaptureMethod.MANUAL)
    with pytest.raises(DomainError) as refusal:
        pay(minor)(order)
    assert refusal.value.code == "capture_amount_invalid"


def test_an_automatic_order_is_paid_whole_or_not_at_all() -> None:
    with pytest.raises(DomainError) as refusal:
        pay(999)(an_order(start))
    assert refusal.value.code == "capture_amount_invalid"


def test_a_manual_order_is_not_paid_before_it_is_authorized() -> None:
    with pytest.raises(DomainError) as refusal:
        pay(1000)(an_order(start, capture=CaptureMethod.MANUAL))
    assert refusal.value.code == "order_transition_refused"


def test_a_captured_order_cannot_be_canceled() -> None:
    with pytest.raises(DomainError) as refusal:
        cancel(an_order(start, pay(1000)))
    assert refusal.value.code == "order_transition_refused"
    assert refusal.value.detail == "An order that is paid cannot become canceled."


def test_a_processing_order_cannot_be_canceled() -> None:
    with pytest.raises(DomainError) as refusal:
        cancel(an_order(start))
    assert refusal.value.code == "order_transition_refused"


def test_refunds_together_never_exceed_a_partial_capture() -> None:
    order = an_order(start, authorize, pay(400), refund(399), capture=CaptureMethod.MANUAL)
    with pytest.raises(DomainError) as refusal:
        refund(2)(order)
    assert refusal.value.code == "refund_amount_invalid"
    assert refund(1)(order).order.status is OrderStatus.REFUNDED
