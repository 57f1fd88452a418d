"""Carry operations to the gateway and back: claim, ask, record.

A claim is committed before a byte is sent, no transaction is open during the call, and what comes
back is recorded only if the claim still holds. Whoever dies in between leaves a lease that ends.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar, assert_never

from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from application.ports.gateway import GatewayRequest, PaymentGateway
from application.ports.ids import Ids
from application.ports.payment_operations import PaymentOperations, Result, Work
from domain.payment import (
    Approved,
    Attempt,
    Declined,
    OperationState,
    Outcome,
    PaymentOperation,
    Unknown,
    pause,
)
from domain.settlement import Moment, Settlement, Step, next_step, settle, take

NOT_FOUND: Final = "not_found"
"""The gateway knows nothing of an operation that may have been sent."""

Answer = TypeVar("Answer", Outcome, Outcome | None)

_log = logging.getLogger("harbor.payments")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTimes:
    """A claim holds for `lease`; the gateway has `answer` for each call, of which a claim may take
    two; an outcome that is unknown for `look_after` is asked for by reference; between two attempts
    lies `longest_pause` at the most, give or take half of it."""

    lease: timedelta = timedelta(seconds=30)
    answer: timedelta = timedelta(seconds=10)
    look_after: timedelta = timedelta(seconds=30)
    longest_pause: timedelta = timedelta(seconds=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Work that this process holds, and since when: a moment from before the claim, so that the
    lease is never thought longer than it is. It is told by two clocks: the monotonic one stands
    still while the machine is suspended, and the other one may be set."""

    work: Work
    since: float
    since_at: datetime


class RunPaymentOperations:
    def __init__(
        self,
        *,
        operations: PaymentOperations,
        gateway: PaymentGateway,
        ids: Ids,
        clock: Clock,
        times: WorkTimes,
    ) -> None:
        self._operations = operations
        self._gateway = gateway
        self._ids = ids
        self._clock = clock
        self._times = times

    async def claim(self, limit: int) -> Sequence[Claimed]:
        """At most `limit` operations that are due, held from now on. Raises StorageUnavailable."""
        since, since_at = self._clock.monotonic(), self._clock.now()
        taken = await self._operations.claim(self._gateway.name, self._take, limit)
        return [Claimed(work=work, since=since, since_at=since_at) for work in taken]

    async def carry_out(
        self, claimed: Claimed, answered: Callable[[], None] = lambda: None
    ) -> None:
        """Ask the gateway and record what it says; `answered` is called in between, when the
        gateway is free for another. Raises StorageUnavailable; then, as when it is canceled or its
        process dies, somebody takes the operation again when the lease has ended.
        """
        operation = claimed.work.operation
        try:
            outcome = operation.verified(await self._ask(claimed))
        except _LeaseEnded:
            return
        finally:
            answered()
        try:
            await self._record(operation, outcome)
        except StorageUnavailable:
            raise
        except Exception:
            # Else it would be asked for again at each lease's end, and nobody would see why.
            _log.exception("an outcome cannot be recorded")
            await self._record(operation, Unknown("not_recordable"))

    async def _record(self, operation: PaymentOperation, outcome: Outcome) -> None:
        result = Result(
            claimed=operation,
            settle=lambda work, now: self._settle(work, outcome, now),
            attempt=lambda now: _attempt(operation, outcome, now),
        )
        recorded = await self._operations.record(result)
        _tell(operation, outcome, recorded)

    def _take(self, work: Work, now: datetime) -> Settlement:
        return take(work.operation, work.order, lease=self._times.lease, moment=self._moment(now))

    def _settle(self, work: Work, outcome: Outcome, now: datetime) -> Settlement:
        rest = pause(
            work.operation.attempts,
            longest=self._times.longest_pause,
            jitter=self._ids.fraction(),
        )
        return settle(work.operation, work.order, outcome, pause=rest, moment=self._moment(now))

    def _moment(self, now: datetime) -> Moment:
        return Moment(now=now, event_ids=(self._ids.new(), self._ids.new()))

    async def _ask(self, claimed: Claimed) -> Outcome:
        """Never without an outcome: a fault of the adapter is one more thing that is unknown.
        Raises _LeaseEnded."""
        operation = claimed.work.operation
        step = next_step(
            operation,
            look_after=self._times.look_after,
            resend_within=self._gateway.remembers_keys_for / 2,
            # The claim's moment: when it was first sent was read from the same clock.
            now=operation.updated_at,
        )
        match step:
            case Step.SEND:
                return await self._send(claimed)
            case Step.LOOK:
                return await self._look(claimed) or Unknown(NOT_FOUND)
            case Step.LOOK_THEN_SEND:
                found = await self._look(claimed)
                # Where the gateway cannot be asked, sending is as safe: it still knows the key.
                return await self._send(claimed) if isinstance(found, Unknown | None) else found
            case never:
                assert_never(never)

    async def _send(self, claimed: Claimed) -> Outcome:
        request = GatewayRequest.of(claimed.work.operation)
        return await self._in_time(claimed, self._gateway.execute, request)

    async def _look(self, claimed: Claimed) -> Outcome | None:
        request = GatewayRequest.of(claimed.work.operation)
        return await self._in_time(claimed, self._gateway.find, request)

    async def _in_time(
        self,
        claimed: Claimed,
        call: Callable[[GatewayRequest], Awaitable[Answer]],
        request: GatewayRequest,
    ) -> Answer | Unknown:
        if self._is_over(claimed):
            # This process stood still for so long that somebody else has it.
            raise _LeaseEnded
        try:
            async with asyncio.timeout(self._times.answer.total_seconds()):
                return await call(request)
        except TimeoutError:
            return Unknown("timeout")
        except Exception:
            _log.exception("the gateway's adapter failed")
            return Unknown("adapter_failed")

    def _is_over(self, claimed: Claimed) -> bool:
        held = timedelta(seconds=self._clock.monotonic() - claimed.since)
        return max(held, self._clock.now() - claimed.since_at) >= self._times.lease


class _LeaseEnded(Exception):
    """The claim is somebody else's by now."""


def _attempt(operation: PaymentOperation, outcome: Outcome, now: datetime) -> Attempt | None:
    """A look at an authorization that still stands is none."""
    if operation.state is OperationState.HELD and not isinstance(outcome, Declined):
        return None
    word, code = _words(outcome)
    return Attempt(
        operation_id=operation.id,
        merchant_id=operation.merchant_id,
        number=operation.fence,
        started_at=operation.updated_at,
        ended_at=now,
        outcome=word,
        code=code,
    )


def _words(outcome: Outcome) -> tuple[str, str | None]:
    match outcome:
        case Approved():
            return "approved", None
        case Declined(failure=failure):
            return "declined", failure.code
        case Unknown(problem=problem):
            return "unknown", problem
        case never:
            assert_never(never)


def _tell(operation: PaymentOperation, outcome: Outcome, recorded: bool) -> None:
    word, code = _words(outcome)
    _log.log(
        logging.WARNING if isinstance(outcome, Unknown) else logging.INFO,
        "operation %s" if recorded else "operation %s, but the claim had gone",
        word,
        extra={
            "operation_id": str(operation.id),
            "order_id": str(operation.order_id),
            "kind": str(operation.kind),
            "attempt": operation.attempts,
            "code": code,
        },
    )
