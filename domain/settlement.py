"""What becomes of an operation and its order: when a worker takes it, and when the gateway has
answered. Pure, so that it can run inside whatever transaction holds the two still."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, assert_never
from uuid import UUID

from domain.order import Change, Order, OrderStatus
from domain.payment import (
    AUTHORIZATION_EXPIRED,
    Approved,
    Declined,
    Failure,
    OperationKind,
    OperationState,
    Outcome,
    PaymentOperation,
    Unknown,
)

LOOKED_AT_EVERY: Final = timedelta(hours=1)
"""How often a held authorization is looked at where the gateway has not said when it lapses, or
does not say whether it stands: nobody waits for that."""

LONGEST_ASKED_FOR: Final = timedelta(hours=1)
"""A gateway that asks to be left alone for longer is asked again all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """An operation as it is now, and what its order went through on the way, a version each."""

    operation: PaymentOperation
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When it happens, and the identities of the events that may come of it."""

    now: datetime
    event_ids: tuple[UUID, UUID]


def take(
    operation: PaymentOperation, order: Order, *, lease: timedelta, moment: Moment
) -> Settlement:
    """A worker takes an operation that is due. What has become pointless ends here: it is not
    claimed, and nobody is asked."""
    now = moment.now
    if operation.state is OperationState.HELD and order.status is not OrderStatus.AUTHORIZED:
        waits = order.status is OrderStatus.PROCESSING
        later = operation.hold(now + LOOKED_AT_EVERY, now)
        return Settlement(
            operation=later if waits else operation.end(OperationState.SUCCEEDED, now)
        )
    if operation.state is OperationState.PENDING and order.status is OrderStatus.CANCELED:
        return Settlement(operation=operation.end(OperationState.WITHDRAWN, now))
    claimed = operation.claim(lease=lease, now=now)
    if order.status is OrderStatus.PENDING:
        started = order.start_processing(event_id=moment.event_ids[0], now=now)
        return Settlement(operation=claimed, changes=(started,))
    return Settlement(operation=claimed)


def settle(
    operation: PaymentOperation,
    order: Order,
    outcome: Outcome,
    *,
    pause: timedelta,
    moment: Moment,
) -> Settlement:
    """The gateway has answered. Only an approval of just what was asked for, or a definite decline,
    changes the order; whatever else is asked again after `pause`."""
    match operation.verified(outcome):
        case Unknown() as unknown:
            until = moment.now + _rest(operation, unknown, pause)
            return Settlement(operation=operation.postpone(unknown, until, moment.now))
        case Approved() as approved:
            return _approve(operation, order, approved, moment)
        case Declined(failure=failure):
            return _decline(operation, order, failure, moment)
        case never:
            assert_never(never)


def _rest(operation: PaymentOperation, unknown: Unknown, pause: timedelta) -> timedelta:
    if operation.state is OperationState.HELD:
        return LOOKED_AT_EVERY
    return max(pause, min(unknown.retry_after or pause, LONGEST_ASKED_FOR))


def _approve(
    operation: PaymentOperation, order: Order, approved: Approved, moment: Moment
) -> Settlement:
    now, (event_id, second_id) = moment.now, moment.event_ids
    done = operation.approve(approved, now)
    changes: tuple[Change, ...]
    match operation.kind:
        case OperationKind.AUTHORIZE:
            until = approved.expires_at
            later = now + LOOKED_AT_EVERY
            done = done.hold(later if until is None or until < now else until, now)
            changes = ()
            if operation.state is not OperationState.HELD:
                changes = (order.authorize(approved.payment_id, event_id=event_id, now=now),)
        case OperationKind.CHARGE | OperationKind.CAPTURE:
            paid = order.pay(operation.amount, approved.payment_id, event_id=event_id, now=now)
            changes = (paid,)
        case OperationKind.VOID:
            changes = (order.cancel(event_id=event_id, now=now),)
        case OperationKind.REFUND:
            refunded = order.refund(operation.amount, event_id=event_id, now=now)
            changes = (refunded, refunded.order.close_refund(event_id=second_id, now=now))
        case never:
            assert_never(never)
    return Settlement(operation=done, changes=changes)


def _decline(
    operation: PaymentOperation, order: Order, failure: Failure, moment: Moment
) -> Settlement:
    now, event_id = moment.now, moment.event_ids[0]
    failed = operation.fail(failure, now)
    lapsed = failure.code == AUTHORIZATION_EXPIRED
    match operation.kind:
        case OperationKind.CHARGE | OperationKind.AUTHORIZE:
            if (
                operation.state is OperationState.HELD
                and order.status is not OrderStatus.AUTHORIZED
            ):
                # It was captured or voided while it was looked at.
                return Settlement(operation=operation.hold(now + LOOKED_AT_EVERY, now))
            change = order.fail(failure, event_id=event_id, now=now)
        case OperationKind.CAPTURE if lapsed:
            change = order.fail(failure, event_id=event_id, now=now)
        case OperationKind.VOID if lapsed:
            # There is nothing left to let go of, which is what was asked for.
            change = order.cancel(event_id=event_id, now=now)
        case OperationKind.CAPTURE | OperationKind.VOID:
            change = order.authorize(None, event_id=event_id, now=now)
        case OperationKind.REFUND:
            change = order.release_refund(operation.amount, event_id=event_id, now=now)
        case never:
            assert_never(never)
    return Settlement(operation=failed, changes=(change,))


class Step(Enum):
    """How to ask the gateway about a claimed operation."""

    SEND = auto()
    """Under its own key, which is safe to repeat while the gateway remembers keys."""
    LOOK_THEN_SEND = auto()
    """By reference, and where the gateway knows nothing of it, under its own key."""
    LOOK = auto()
    """By reference only."""


def next_step(
    operation: PaymentOperation, *, look_after: timedelta, resend_within: timedelta, now: datetime
) -> Step:
    """`look_after` is how long an outcome may be unknown before the gateway is asked by reference;
    after `resend_within`, half of the time for which it remembers keys, it is asked only so."""
    sent_at = operation.first_sent_at
    if operation.state is OperationState.HELD:
        return Step.LOOK
    if sent_at is None or now - sent_at < min(look_after, resend_within):
        return Step.SEND
    return Step.LOOK_THEN_SEND if now - sent_at < resend_within else Step.LOOK
