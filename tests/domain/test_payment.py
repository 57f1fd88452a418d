"""A payment operation: claimed before it is sent, ended once, and left alone in between."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import Money
from domain.payment import (
    FIRST_PAUSE,
    UNSETTLED,
    Approved,
    Declined,
    Failure,
    OperationState,
    PaymentOperation,
    Unknown,
    pause,
)
from tests.examples import a_placement, failures, ids, moments, operations, texts
from tests.fakes import NOW

LATER: Final = NOW + timedelta(minutes=1)
LEASE: Final = timedelta(seconds=30)
LONGEST: Final = timedelta(minutes=5)
DECLINED: Final = Failure(code="card_declined", message="The card was declined.")

any_operations = operations(a_placement().order)
payment_ids = st.sampled_from([None, "pay_1", "pay_2"])
leases = st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1))
attempt_counts = st.integers(0, 40) | st.integers(0, 100_000)
jitters = st.floats(0, 1)
caps = st.timedeltas(timedelta(milliseconds=1), timedelta(days=1))


def an_operation() -> PaymentOperation:
    operation = a_placement().operation
    assert operation is not None
    return operation


def different(before: PaymentOperation, after: PaymentOperation) -> set[str]:
    """The names of the members that are not the same."""
    names = PaymentOperation.__dataclass_fields__
    return {name for name in names if getattr(before, name) != getattr(after, name)}


def test_nothing_is_settled_before_the_gateway_has_spoken() -> None:
    assert frozenset({OperationState.PENDING, OperationState.UNKNOWN}) == UNSETTLED


@given(any_operations, leases)
def test_a_claim_is_unknown_from_the_moment_it_may_be_sent(
    operation: PaymentOperation, lease: timedelta
) -> None:
    claimed = operation.claim(lease=lease, now=NOW)
    looked_at = operation.state is OperationState.HELD
    assert claimed.state is (OperationState.HELD if looked_at else OperationState.UNKNOWN)
    assert claimed.attempts == operation.attempts + (0 if looked_at else 1)
    assert claimed.fence == operation.fence + 1
    assert claimed.first_sent_at == (operation.first_sent_at or NOW)
    assert claimed.is_claimed
    assert (claimed.lease_expires_at, claimed.due_at) == (NOW + lease, NOW + lease)
    assert claimed.updated_at == NOW


MOVED_BY_A_CLAIM: Final = {
    *("state", "fence", "attempts", "first_sent_at", "lease_expires_at", "due_at", "updated_at")
}


@given(any_operations, leases)
def test_a_claim_changes_nothing_of_what_is_asked_for(
    operation: PaymentOperation, lease: timedelta
) -> None:
    assert different(operation, operation.claim(lease=lease, now=NOW)) <= MOVED_BY_A_CLAIM


def test_a_second_claim_counts_on_but_remembers_when_it_was_first_sent() -> None:
    once = an_operation().claim(lease=LEASE, now=NOW)
    twice = once.claim(lease=LEASE, now=LATER)
    assert (once.fence, once.attempts, twice.fence, twice.attempts) == (1, 1, 2, 2)
    assert (twice.first_sent_at, twice.lease_expires_at) == (NOW, LATER + LEASE)


def test_looking_at_a_held_authorization_is_no_attempt_to_send_it() -> None:
    held = an_operation().claim(lease=LEASE, now=NOW).hold(LATER, NOW)
    looked_at = held.claim(lease=LEASE, now=LATER)
    assert (looked_at.state, looked_at.is_claimed) == (OperationState.HELD, True)
    assert (looked_at.fence, looked_at.attempts, looked_at.first_sent_at) == (2, 1, NOW)


@given(any_operations, st.sampled_from(OperationState))
def test_an_operation_that_ended_has_no_lease_and_no_problem(
    operation: PaymentOperation, state: OperationState
) -> None:
    ended = operation.end(state, LATER)
    assert (ended.state, ended.problem, ended.updated_at) == (state, None, LATER)
    assert not ended.is_claimed
    moved = {"state", "problem", "lease_expires_at", "updated_at"}
    assert different(operation, ended) <= moved


@given(any_operations, payment_ids)
def test_an_approved_operation_learns_what_the_gateway_calls_its_payment_but_once(
    operation: PaymentOperation, payment_id: str | None
) -> None:
    approved = Approved(reference=str(operation.id), amount=operation.amount, payment_id=payment_id)
    done = operation.approve(approved, LATER)
    named = operation.payment_id or payment_id
    assert done == replace(operation.end(OperationState.SUCCEEDED, LATER), payment_id=named)


@given(any_operations, failures)
def test_a_failed_operation_says_why(operation: PaymentOperation, failure: Failure) -> None:
    failed = operation.fail(failure, LATER)
    assert (failed.state, failed.failure) == (OperationState.FAILED, failure)
    assert (failed.problem, failed.is_claimed, failed.updated_at) == (None, False, LATER)
    moved = {"state", "failure", "problem", "lease_expires_at", "updated_at"}
    assert different(operation, failed) <= moved


@given(any_operations, moments)
def test_a_held_authorization_is_due_when_it_is_to_be_looked_at_again(
    operation: PaymentOperation, until: datetime
) -> None:
    held = operation.hold(until, LATER)
    assert (held.state, held.due_at, held.updated_at) == (OperationState.HELD, until, LATER)
    assert (held.problem, held.is_claimed) == (None, False)
    moved = {"state", "problem", "due_at", "lease_expires_at", "updated_at"}
    assert different(operation, held) <= moved


@given(any_operations, texts(min_size=1), moments)
def test_a_postponed_operation_keeps_its_state_and_its_key_and_says_what_the_problem_is(
    operation: PaymentOperation, problem: str, until: datetime
) -> None:
    postponed = operation.postpone(Unknown(problem), until, LATER)
    assert (postponed.problem, postponed.due_at, postponed.updated_at) == (problem, until, LATER)
    assert (postponed.id, postponed.state) == (operation.id, operation.state)
    assert not postponed.is_claimed
    assert different(operation, postponed) <= {
        *("problem", "due_at", "lease_expires_at", "updated_at")
    }


def test_what_never_touched_the_gateway_does_not_count_as_sent() -> None:
    claimed = an_operation().claim(lease=LEASE, now=NOW)
    assert not claimed.may_have_been_sent_before
    unsent = claimed.postpone(Unknown("throttled", untouched=True), LATER, LATER)
    assert (unsent.first_sent_at, unsent.attempts) == (None, 1)
    again = unsent.claim(lease=LEASE, now=LATER)
    assert (again.first_sent_at, again.may_have_been_sent_before) == (LATER, False)


def test_what_may_have_been_sent_once_counts_as_sent_for_ever() -> None:
    sent = an_operation().claim(lease=LEASE, now=NOW).postpone(Unknown("timeout"), LATER, LATER)
    assert sent.first_sent_at == NOW
    again = sent.claim(lease=LEASE, now=LATER)
    assert again.may_have_been_sent_before
    turned_away = again.postpone(Unknown("throttled", untouched=True), LATER, LATER)
    assert turned_away.first_sent_at == NOW


def test_what_a_dead_claim_may_have_sent_counts_as_sent() -> None:
    dead = an_operation().claim(lease=LEASE, now=NOW)
    again = dead.claim(lease=LEASE, now=LATER)
    turned_away = again.postpone(Unknown("unreachable", untouched=True), LATER, LATER)
    assert turned_away.first_sent_at == NOW


def test_a_postponed_operation_is_claimed_again_under_the_same_key() -> None:
    postponed = an_operation().claim(lease=LEASE, now=NOW).postpone(Unknown("timeout"), LATER, NOW)
    again = postponed.claim(lease=LEASE, now=LATER)
    assert (again.id, again.fence, again.attempts) == (postponed.id, 2, 2)
    assert again.problem == "timeout"
    assert again.end(OperationState.SUCCEEDED, LATER).problem is None


def test_an_approval_of_just_what_was_asked_for_is_an_answer() -> None:
    operation = an_operation()
    approved = Approved(
        reference=str(operation.id),
        amount=operation.amount,
        payment_id="pay_1",
        expires_at=LATER,
    )
    assert operation.verified(approved) is approved


@pytest.mark.parametrize(
    ("minor", "currency", "is_ours"),
    [
        (1998, "EUR", True),
        (2000, "EUR", True),
        (0, "EUR", True),
        (1999, "USD", True),
        (1999, "EUR", False),
        (1, "JPY", False),
    ],
)
def test_an_approval_of_another_amount_currency_or_reference_is_no_answer(
    minor: int, currency: str, is_ours: bool
) -> None:
    operation = an_operation()
    assert operation.amount == Money(amount_minor=1999, currency="EUR")
    approved = Approved(
        reference=str(operation.id if is_ours else ids.new()),
        amount=Money(amount_minor=minor, currency=currency),
    )
    assert operation.verified(approved) == Unknown("mismatch")


@pytest.mark.parametrize(
    "outcome", [Declined(DECLINED), Unknown("timeout"), Unknown("throttled", LEASE)]
)
def test_what_is_no_approval_is_taken_as_it_is(outcome: Declined | Unknown) -> None:
    assert an_operation().verified(outcome) is outcome


@given(attempt_counts, caps, jitters)
def test_a_pause_is_half_to_one_and_a_half_of_the_regular_one_and_never_overflows(
    attempts: int, longest: timedelta, jitter: float
) -> None:
    regular = longest
    if attempts < 30:
        regular = min(longest, timedelta(seconds=0.5) * 2 ** max(attempts - 1, 0))
    rounding = timedelta(microseconds=1)
    rest = pause(attempts, longest=longest, jitter=jitter)
    assert regular * 0.5 - rounding <= rest <= regular * 1.5 + rounding
    assert rest <= longest * 1.5 + rounding


@given(attempt_counts, caps, jitters, jitters)
def test_more_jitter_is_a_longer_pause(
    attempts: int, longest: timedelta, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    assert pause(attempts, longest=longest, jitter=less) <= pause(
        attempts, longest=longest, jitter=more
    )


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 0.5), (1, 0.5), (2, 1), (3, 2), (4, 4), (9, 128), (10, 256), (11, 300), (100_000, 300)],
)
def test_the_regular_pause_doubles_up_to_the_longest(attempts: int, seconds: float) -> None:
    assert pause(attempts, longest=LONGEST, jitter=0.5) == timedelta(seconds=seconds)


def test_jitter_spreads_a_pause_from_half_to_one_and_a_half() -> None:
    shortest, longest = (pause(1, longest=LONGEST, jitter=jitter) for jitter in (0, 1))
    assert (shortest, longest) == (FIRST_PAUSE * 0.5, FIRST_PAUSE * 1.5)


def test_a_cap_below_the_first_pause_holds_from_the_beginning() -> None:
    assert pause(1, longest=timedelta(seconds=0.1), jitter=0.5) == timedelta(seconds=0.1)
