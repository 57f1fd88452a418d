"""Let a person say what became of an operation that the worker will never resolve alone.

It is claimed and recorded as a worker does both: the order, its events and its attempts come about
as always, a late answer is dropped, and who dies in between leaves a lease that ends.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.errors import OperationNotSettled
from application.json_text import rfc3339
from application.ports.clock import Clock
from application.ports.gateway import PaymentGateway
from application.ports.ids import Ids
from application.ports.payment_history import PaymentHistory
from application.ports.payment_operations import PaymentOperations, Result, Work
from application.run_payment_operations import WorkTimes
from domain.payment import (
    Approved,
    Attempt,
    Declined,
    Failure,
    OperationKind,
    OperationState,
    PaymentOperation,
)
from domain.settlement import Moment, Settlement, Step, next_step, settle

SETTLED_BY_OPERATOR: Final = "settled_by_operator"
"""The code of the attempt: it was a person who said it, and not the gateway."""

NEVER_EXECUTED: Final = Failure(code="never_executed", message="The gateway never carried it out.")

_MAKES_A_PAYMENT: Final = frozenset({OperationKind.CHARGE, OperationKind.AUTHORIZE})

_log = logging.getLogger("harbor.payments")


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleOperationCommand:
    """The gateway has done what was asked, or (not `approved`) never did and never will.
    `payment_id` is what it calls the payment that a charge or authorization has made."""

    operation_id: UUID
    approved: bool
    payment_id: str | None = None


class SettleOperation:
    def __init__(
        self,
        *,
        operations: PaymentOperations,
        history: PaymentHistory,
        gateway: PaymentGateway,
        ids: Ids,
        clock: Clock,
        times: WorkTimes,
    ) -> None:
        self._operations = operations
        self._history = history
        self._gateway = gateway
        self._ids = ids
        self._clock = clock
        self._times = times

    async def check(self, command: SettleOperationCommand) -> PaymentOperation:
        """The operation that would be settled, as it is; nothing is changed.
        Raises OperationNotSettled, StorageUnavailable."""
        found = await self._history.with_ids([command.operation_id])
        if not found:
            raise OperationNotSettled(
                "There is no payment operation with this id: `harbor doctor` names those that wait."
            )
        self._refuse_unless_stuck(found[0], self._clock.now())
        _refuse_wrong_payment(command, found[0])
        return found[0]

    async def __call__(self, command: SettleOperationCommand) -> UUID:
        """The id of the order that it was for. Raises OperationNotSettled, StorageUnavailable;
        then, as when it is canceled or its process dies, a worker takes the operation again when
        the lease has ended."""
        await self.check(command)
        work = await self._operations.claim_one(
            command.operation_id, self._gateway.name, self._take
        )
        if work is None:
            seconds = self._times.lease.total_seconds()
            raise OperationNotSettled(
                f"A worker is asking the gateway about it: try again in {seconds:g} seconds."
            )
        recorded = await self._operations.record(self._result(command, work.operation))
        if not recorded:
            # A recording that is repeated, for its answer was lost, finds that it has ended too.
            raise OperationNotSettled(
                "A worker has taken it over, or the database's answer was lost: see"
                f" `harbor order show {work.order.id}`, and try again if it is still unknown."
            )
        _log.warning(
            "operation settled by an operator",
            extra={
                "operation_id": str(work.operation.id),
                "order_id": str(work.order.id),
                "kind": str(work.operation.kind),
                "outcome": _word(command),
            },
        )
        return work.order.id

    def _take(self, work: Work, now: datetime) -> Settlement:
        # Again, for only here nobody else can change it, and only here the clock is the database's.
        self._refuse_unless_stuck(work.operation, now)
        return Settlement(operation=work.operation.claim(lease=self._times.lease, now=now))

    def _refuse_unless_stuck(self, operation: PaymentOperation, now: datetime) -> None:
        """Raises OperationNotSettled."""
        if operation.gateway != self._gateway.name:
            raise OperationNotSettled(
                f"It is for the gateway {operation.gateway}: set HARBOR_GATEWAY to that."
            )
        if operation.state is not OperationState.UNKNOWN:
            raise OperationNotSettled(_instead(operation))
        resend_within = self._gateway.remembers_keys_for / 2
        step = next_step(
            operation, look_after=self._times.look_after, resend_within=resend_within, now=now
        )
        if step is not Step.LOOK:
            until = (operation.first_sent_at or now) + resend_within
            raise OperationNotSettled(
                f"The worker may still send it: it can be settled from {rfc3339(until)} on."
            )

    def _result(self, command: SettleOperationCommand, claimed: PaymentOperation) -> Result:
        outcome: Approved | Declined = Declined(NEVER_EXECUTED)
        if command.approved:
            outcome = Approved(
                reference=str(claimed.id),
                amount=claimed.amount,
                payment_id=claimed.payment_id or command.payment_id,
            )

        def decide(work: Work, now: datetime) -> Settlement:
            moment = Moment(now=now, event_ids=(self._ids.new(), self._ids.new()))
            return settle(work.operation, work.order, outcome, pause=timedelta(0), moment=moment)

        def attempt(now: datetime) -> Attempt:
            return Attempt(
                operation_id=claimed.id,
                merchant_id=claimed.merchant_id,
                number=claimed.fence,
                started_at=claimed.updated_at,
                ended_at=now,
                outcome=_word(command),
                code=SETTLED_BY_OPERATOR,
            )

        return Result(claimed=claimed, settle=decide, attempt=attempt)


def _instead(operation: PaymentOperation) -> str:
    """What to do about an operation whose outcome is known, or that nobody has sent."""
    match operation.state:
        case OperationState.PENDING:
            return "It was never sent: run `harbor worker`."
        case OperationState.HELD:
            return "This authorization was granted: capture or cancel its order."
        case state:
            return (
                f"It has ended already, as {state}: see `harbor order show {operation.order_id}`."
            )


def _refuse_wrong_payment(command: SettleOperationCommand, operation: PaymentOperation) -> None:
    """Raises OperationNotSettled."""
    makes_a_payment = operation.kind in _MAKES_A_PAYMENT and operation.payment_id is None
    if command.approved and makes_a_payment and command.payment_id is None:
        raise OperationNotSettled(
            f"An approved {operation.kind} needs --payment-id, what the gateway calls the payment:"
            " captures and refunds go by it."
        )
    if command.payment_id is not None and not (command.approved and makes_a_payment):
        raise OperationNotSettled(
            "--payment-id is for an approved charge or authorization: leave it out."
        )


def _word(command: SettleOperationCommand) -> str:
    return "approved" if command.approved else "declined"
