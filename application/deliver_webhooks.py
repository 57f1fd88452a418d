"""Take a turn: tell one endpoint what is due for it, and record what came of it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from application.ports.clock import Clock
from application.ports.delivery_turns import DeliveryTurns, DueDelivery, Outcome, Turn
from application.ports.faults import StorageUnavailable
from application.ports.ids import Ids
from application.ports.vault import CannotOpen
from application.ports.webhook_sender import Answered, Unanswered, WebhookRequest, WebhookSender
from application.webhook_secrets import WebhookSecrets
from domain.delivery import Delivery, DeliveryAttempt

MOST_TOGETHER: Final = 16
"""Attempts at one endpoint."""

_FOR_THE_LAST: Final = timedelta(seconds=25)
"""Of a lease, for the attempt that was begun last and the recording."""
_LEAST_BEGINNING: Final = 0.1
"""The part of a lease in which attempts are begun, if that would leave none."""
_TOGETHER_FAILING: Final = 4
"""Attempts at one where nothing has succeeded lately."""
_DELIVERIES: Final = 50
"""Of one turn."""
_FOR_RECORDING_SECONDS: Final = 2.0
"""When a turn is canceled."""
_HELD_AT_ONCE: Final = 1_000
_SEALED_BY_ANOTHER: Final = "secret_unreadable"

_log = logging.getLogger("harbor.webhooks")


class DeliverWebhooks:
    def __init__(
        self,
        *,
        turns: DeliveryTurns,
        sender: WebhookSender,
        secrets: WebhookSecrets,
        ids: Ids,
        clock: Clock,
        lease: timedelta,
    ) -> None:
        """`lease` is how long a turn is held: at least 25 seconds, which is more than a tenth of it
        and the longest attempt. If attempts outlived it, somebody else would make them anew and
        none would be recorded, ever, of an endpoint that is slow for good."""
        self._turns = turns
        self._sender = sender
        self._secrets = secrets
        self._ids = ids
        self._clock = clock
        self._lease = lease
        beginning = max(lease - _FOR_THE_LAST, lease * _LEAST_BEGINNING)
        self._begin_seconds = beginning.total_seconds()
        self._stopping = False

    async def claim(self, limit: int, *, failing: bool) -> Sequence[Turn]:
        """At most `limit` endpoints that something is due for: those at which nothing has
        succeeded lately, or the others. Raises StorageUnavailable."""
        return await self._turns.claim(self._lease, limit, _DELIVERIES, failing=failing)

    def stop(self) -> None:
        """Begin nothing more; what was begun ends, and is recorded."""
        self._stopping = True

    async def hold(self) -> int:
        """Hold some of what waits for endpoints that are not enabled; how many those were.
        Raises StorageUnavailable."""
        return await self._turns.hold(_HELD_AT_ONCE)

    async def carry_out(self, turn: Turn) -> None:
        """Tell the endpoint what is due, and record it. Canceled, it records what has ended by
        then, for two seconds at most. Raises StorageUnavailable; then, as when its process dies,
        all of it is told again when the lease has ended."""
        until = self._clock.monotonic() + self._begin_seconds

        def may_begin() -> bool:
            return not self._stopping and self._clock.monotonic() < until

        telling = _Telling(turn, self._sender, self._opened(turn), self._clock, may_begin)
        recording: asyncio.Task[None] | None = None
        try:
            await telling.all()
            recording = asyncio.create_task(self._record(turn, telling.attempts))
            await asyncio.shield(recording)
        except asyncio.CancelledError:
            # What receivers know by their answers is on record after a stop too.
            await _in_time(
                recording or asyncio.create_task(self._record(turn, telling.attempts)), turn
            )
            raise

    async def _record(self, turn: Turn, attempts: Sequence[DeliveryAttempt]) -> None:
        outcome = Outcome(turn=turn, attempts=tuple(attempts))
        if not await self._turns.record(outcome, self._settle):
            _log.warning(
                "deliveries were made, but the turn had gone",
                extra={"endpoint_id": str(turn.endpoint.id), "count": len(attempts)},
            )

    def _opened(self, turn: Turn) -> tuple[str, ...]:
        """None where they were sealed with another secret key."""
        endpoint = turn.endpoint
        try:
            return tuple(
                self._secrets.open(endpoint.id, sealed)
                for sealed in endpoint.secrets(self._clock.now())
            )
        except CannotOpen:
            _log.error(
                "an endpoint's secret cannot be read: is HARBOR_SECRET_KEY another one?",
                extra={"endpoint_id": str(endpoint.id)},
            )
            return ()

    def _settle(self, delivery: Delivery, attempt: DeliveryAttempt, now: datetime) -> Delivery:
        if attempt.succeeded:
            return delivery.succeed(now)
        if attempt.is_gone:
            return delivery.hold(now)
        return delivery.fail(now, jitter=self._ids.fraction(), asked_for=attempt.retry_after)


async def _in_time(recording: asyncio.Task[None], turn: Turn) -> None:
    try:
        async with asyncio.timeout(_FOR_RECORDING_SECONDS):
            await recording
    except (TimeoutError, StorageUnavailable):
        endpoint_id = str(turn.endpoint.id)
        _log.warning("deliveries were not recorded", extra={"endpoint_id": endpoint_id})


@dataclass(slots=True)
class _Telling:
    """One turn. What is about one order is told one after the other, while there is time to begin;
    orders do not wait for each other."""

    turn: Turn
    sender: WebhookSender
    secrets: tuple[str, ...]
    clock: Clock
    may_begin: Callable[[], bool]
    attempts: list[DeliveryAttempt] = field(default_factory=list)
    """In the order in which they ended."""
    is_gone: bool = False
    """It has said so: it is told nothing more."""

    async def all(self) -> None:
        failing = self.turn.endpoint.failing_since is not None
        places = asyncio.Semaphore(_TOGETHER_FAILING if failing else MOST_TOGETHER)

        async def tell(chain: Sequence[DueDelivery]) -> None:
            for due in chain:
                async with places:
                    if self.is_gone or not self.may_begin():
                        return
                    attempt = await self._tell(due)
                    self.attempts.append(attempt)
                    self.is_gone |= attempt.is_gone

        await asyncio.gather(*(tell(chain) for chain in _chains(self.turn.due)))

    async def _tell(self, due: DueDelivery) -> DeliveryAttempt:
        delivery, started_at = due.delivery, self.clock.now()
        answer: Answered | Unanswered = Unanswered(problem=_SEALED_BY_ANOTHER, latency=timedelta(0))
        if self.secrets:
            request = WebhookRequest(
                url=self.turn.endpoint.url,
                id=str(delivery.event_id),
                body=due.body,
                secrets=self.secrets,
                sent_at=started_at,
            )
            answer = await self.sender.send(request)
        return DeliveryAttempt(
            delivery_id=delivery.id,
            merchant_id=delivery.merchant_id,
            number=delivery.attempts + 1,
            started_at=started_at,
            latency=answer.latency,
            status=answer.status if isinstance(answer, Answered) else None,
            problem=None if isinstance(answer, Answered) else answer.problem,
            excerpt=answer.excerpt if isinstance(answer, Answered) else "",
            retry_after=answer.retry_after if isinstance(answer, Answered) else None,
        )


def _chains(due: Sequence[DueDelivery]) -> list[list[DueDelivery]]:
    """By order, each in the order of its events; what is about none stands alone."""
    chains: dict[object, list[DueDelivery]] = {}
    for each in sorted(due, key=lambda each: each.delivery.sequence):
        chains.setdefault(each.order_id or each.delivery.id, []).append(each)
    return list(chains.values())
