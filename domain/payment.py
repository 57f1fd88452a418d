"""One thing that a payment gateway is asked to do for an order, and what may come of it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeAlias
from uuid import UUID

from domain.money import Money
from domain.quick import quick

FIRST_PAUSE: Final = timedelta(seconds=0.5)


class OperationKind(StrEnum):
    CHARGE = "charge"
    """Take the money at once (automatic capture)."""
    AUTHORIZE = "authorize"
    """Reserve the money, to be captured later (manual capture)."""
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class OperationState(StrEnum):
    PENDING = "pending"
    """Nobody has sent it to the gateway."""
    UNKNOWN = "unknown"
    """It may have reached the gateway; only the gateway can say what became of it."""
    HELD = "held"
    """An authorization that the gateway granted: it is looked at again when it is due, for it
    lapses when nobody captures or voids it."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"
    """The order was canceled before anybody sent it."""


UNSETTLED: Final = frozenset({OperationState.PENDING, OperationState.UNKNOWN})


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the gateway declined: a stable code, and one sentence for a person."""

    code: str
    message: str


AUTHORIZATION_EXPIRED: Final = "authorization_expired"
"""The one decline after which nothing is left that could be captured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The gateway did it. `reference` is whose effect it says that it is; `payment_id` is what it
    calls the payment; an authorization lapses at `expires_at`, where the gateway says so."""

    reference: str
    amount: Money
    payment_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """The gateway will never do it: nothing was taken, and nothing will be."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unknown:
    """Anything else. `problem` is a stable word for it, such as "timeout"; `retry_after` is what
    the gateway asked for. `untouched` says that this attempt has done nothing and never will: it
    was turned away at the door, or never left."""

    problem: str
    retry_after: timedelta | None = None
    untouched: bool = False


Outcome: TypeAlias = Approved | Declined | Unknown


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOperation:
    """A request to the gateway that is frozen when it is recorded.

    `id` is also the gateway's idempotency key and reference: one operation has one key for ever,
    so sending it again can never be a second charge.
    `fence` counts the claims; a result is recorded only by the claim that holds the last one.
    `gateway` names who is asked: nobody else's worker takes it.
    `payment_id` is what the gateway calls the payment that a capture, void or refund is about, or
    that a charge or authorization has made.
    `problem` says why an unknown outcome is unknown.
    """

    id: UUID
    merchant_id: UUID
    order_id: UUID
    kind: OperationKind
    amount: Money
    gateway: str
    payment_method: str | None = None
    payment_id: str | None = None
    reason: str | None = None
    state: OperationState = OperationState.PENDING
    failure: Failure | None = None
    problem: str | None = None
    fence: int = 0
    attempts: int = 0
    due_at: datetime
    first_sent_at: datetime | None = None
    lease_expires_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def is_claimed(self) -> bool:
        return self.lease_expires_at is not None

    @property
    def may_have_been_sent_before(self) -> bool:
        """Of a claimed operation: whether an earlier claim may have reached the gateway."""
        return self.first_sent_at is not None and self.first_sent_at < self.updated_at

    def claim(self, *, lease: timedelta, now: datetime) -> "PaymentOperation":
        """From now on it may have been sent. An authorization that is held is only looked at."""
        sent = self.state is not OperationState.HELD
        return replace(
            self,
            state=OperationState.UNKNOWN if sent else self.state,
            fence=self.fence + 1,
            attempts=self.attempts + sent,
            first_sent_at=self.first_sent_at or now,
            lease_expires_at=now + lease,
            due_at=now + lease,
            updated_at=now,
        )

    def end(self, state: OperationState, now: datetime, **changed: Any) -> "PaymentOperation":
        """Nothing is left to do for it."""
        return replace(
            self, state=state, problem=None, lease_expires_at=None, updated_at=now, **changed
        )

    def approve(self, approved: Approved, now: datetime) -> "PaymentOperation":
        payment_id = self.payment_id or approved.payment_id
        return self.end(OperationState.SUCCEEDED, now, payment_id=payment_id)

    def fail(self, failure: Failure, now: datetime) -> "PaymentOperation":
        return self.end(OperationState.FAILED, now, failure=failure)

    def hold(self, until: datetime, now: datetime) -> "PaymentOperation":
        """The authorization stands; it is looked at again at `until`."""
        return self.end(OperationState.HELD, now, due_at=until)

    def postpone(self, unknown: Unknown, until: datetime, now: datetime) -> "PaymentOperation":
        """What became of it is not known: it is asked again at `until`, under the same key. What
        never touched the gateway does not count as sent: else a gateway that is away for long
        would leave behind what nobody may send any more."""
        unsent = unknown.untouched and not self.may_have_been_sent_before
        return replace(
            self,
            problem=unknown.problem,
            due_at=until,
            first_sent_at=None if unsent else self.first_sent_at,
            lease_expires_at=None,
            updated_at=now,
        )

    def verified(self, outcome: Outcome) -> Outcome:
        """The outcome; but an approval of another amount, currency or reference than was asked for
        is no answer to this operation."""
        if isinstance(outcome, Approved) and (
            outcome.reference != str(self.id) or outcome.amount != self.amount
        ):
            return Unknown("mismatch")
        return outcome


def pause(attempts: int, *, longest: timedelta, jitter: float) -> timedelta:
    """How long to leave an operation alone after `attempts` without a definite answer: twice as
    long each time, up to `longest`, from half of that to one and a half. `jitter` is 0 to 1."""
    doublings = min(max(attempts - 1, 0), 30)
    regular: timedelta = min(FIRST_PAUSE * 2**doublings, longest)
    return regular * (0.5 + jitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One time that the gateway was asked. `number` is the claim's fence; `outcome` is "approved",
    "declined" or "unknown", with the failure's or the problem's code."""

    operation_id: UUID
    merchant_id: UUID
    number: int
    started_at: datetime
    ended_at: datetime
    outcome: str
    code: str | None
