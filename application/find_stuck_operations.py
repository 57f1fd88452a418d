"""Whether payment operations wait for longer than they should."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from application.ports.payment_history import PaymentHistory
from application.ports.readiness import Finding, ReadinessProbe
from domain.payment import OperationState, PaymentOperation

STUCK_AFTER: Final = timedelta(seconds=60)

_PATIENCE_SECONDS: Final = 5.0
_NAMED: Final = 10


class FindStuckOperations(ReadinessProbe):
    """Names the operations that have had no outcome for a minute, and says what each waits for."""

    def __init__(self, history: PaymentHistory, clock: Clock, gateway: str) -> None:
        """`gateway` is the one that this installation asks."""
        self._history = history
        self._clock = clock
        self._gateway = gateway

    async def examine(self) -> Finding:
        return Finding(name="operations", problem=await self._problem(), required=False)

    async def _problem(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                before = self._clock.now() - STUCK_AFTER
                stuck = await self._history.unsettled(before, _NAMED + 1)
        except (StorageUnavailable, TimeoutError):
            return "The database cannot be reached."
        return self._told(stuck) if stuck else None

    def _told(self, stuck: Sequence[PaymentOperation]) -> str:
        named = "; ".join(map(self._name, stuck[:_NAMED]))
        if len(stuck) == 1:
            return f"A payment operation has had no outcome for a minute: {named}."
        many = f"More than {_NAMED}" if len(stuck) > _NAMED else str(len(stuck))
        return f"{many} payment operations have had no outcome for a minute: {named}."

    def _name(self, operation: PaymentOperation) -> str:
        which = f"{operation.kind} {operation.id} of order {operation.order_id}"
        if operation.gateway != self._gateway:
            return f"{which} is for the gateway {operation.gateway}, which nobody asks here"
        if operation.state is OperationState.PENDING:
            return f"{which} was never sent: run `harbor worker`"
        if operation.state is OperationState.HELD:
            return f"{which} is held, and the gateway does not say whether it stands"
        if operation.problem == "not_found":
            return (
                f"{which} is unknown, and the gateway knows nothing of it: look at its books, then"
                f" say what became of it with `harbor operation settle {operation.id}`"
            )
        problem = operation.problem or "no answer was recorded"
        return f"{which} is unknown after {operation.attempts} attempts ({problem})"
