"""Compare our books with the gateway's, effect by effect."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from application.ports.clock import Clock
from application.ports.gateway import (
    Effect,
    GatewayRequest,
    GatewayUnavailable,
    PaymentGateway,
)
from application.ports.payment_history import PaymentHistory
from domain.payment import (
    AUTHORIZATION_EXPIRED,
    Approved,
    OperationKind,
    OperationState,
    PaymentOperation,
    Unknown,
)

_PAGE: Final = 500
_DONE: Final = frozenset({OperationState.SUCCEEDED, OperationState.HELD})


class Difference(StrEnum):
    DOUBLE_EFFECT = "double_effect"
    """The gateway did one operation more than once."""
    NOT_OURS = "not_ours"
    """The gateway did something for a reference that is none of our operations."""
    ANOTHER_AMOUNT = "another_amount"
    ANOTHER_KIND = "another_kind"
    DONE_THERE_ONLY = "done_there_only"
    """The gateway did what has failed or was withdrawn here."""
    DONE_HERE_ONLY = "done_here_only"
    """What has succeeded here is not in the gateway's books."""
    NOT_SETTLED_HERE = "not_settled_here"
    """The gateway did it a while ago, and here its outcome is still unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference. `ours` and `gateway` say in a few words what each side has."""

    order_id: UUID | None
    kind: Difference
    ours: str
    gateway: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`checked` counts the operations that were looked at on either side."""

    checked: int
    differences: tuple[Found, ...]


class Reconcile:
    def __init__(
        self,
        *,
        history: PaymentHistory,
        gateway: PaymentGateway,
        clock: Clock,
        settled_within: timedelta,
    ) -> None:
        """An operation may be on its way for `settled_within`."""
        self._history = history
        self._gateway = gateway
        self._clock = clock
        self._settled_within = settled_within

    async def __call__(self, since: datetime) -> Comparison:
        """Of everything that was asked for between then and now. Raises StorageUnavailable,
        GatewayUnavailable."""
        until = self._clock.now()
        seen: dict[str, int] = {}
        found: list[Found] = []
        async for effects in _in_pages(self._gateway.effects(since)):
            found += await self._compare(effects, seen)
        checked = len(seen)
        async for operations in self._ours(since):
            # What was made while the gateway's books were read is for the next time.
            before = [each for each in operations if each.created_at <= until]
            missing = [each for each in before if str(each.id) not in seen]
            checked += len(missing)
            for operation in missing:
                if operation.state in _DONE and not await self._is_there(operation):
                    found.append(_difference(operation, Difference.DONE_HERE_ONLY, "nothing"))
        return Comparison(checked=checked, differences=tuple(found))

    async def _compare(self, effects: Sequence[Effect], seen: dict[str, int]) -> list[Found]:
        ids = {id_ for effect in effects if (id_ := _id_of(effect.reference)) is not None}
        ours = {str(each.id): each for each in await self._history.with_ids(sorted(ids))}
        found = []
        for effect in effects:
            seen[effect.reference] = seen.get(effect.reference, 0) + 1
            operation = ours.get(effect.reference)
            difference = self._judge(effect, operation, seen[effect.reference])
            if difference is None:
                continue
            theirs = f"{effect.kind} of {effect.amount} for {effect.reference or 'nobody'}"
            if operation is None:
                found.append(Found(order_id=None, kind=difference, ours="nothing", gateway=theirs))
            else:
                found.append(_difference(operation, difference, theirs))
        return found

    def _judge(
        self, effect: Effect, operation: PaymentOperation | None, times: int
    ) -> Difference | None:
        if operation is None:
            return Difference.NOT_OURS
        if times > 1:
            return Difference.DOUBLE_EFFECT
        if effect.kind is not operation.kind:
            return Difference.ANOTHER_KIND
        if effect.amount != operation.amount:
            return Difference.ANOTHER_AMOUNT
        if operation.state in (OperationState.FAILED, OperationState.WITHDRAWN):
            return None if _has_lapsed(operation) else Difference.DONE_THERE_ONLY
        is_late = self._clock.now() - effect.at > self._settled_within
        return Difference.NOT_SETTLED_HERE if operation.state not in _DONE and is_late else None

    async def _ours(self, since: datetime) -> AsyncIterator[Sequence[PaymentOperation]]:
        after: UUID | None = None
        while page := await self._history.made_since(self._gateway.name, since, after, _PAGE):
            yield page
            after = page[-1].id

    async def _is_there(self, operation: PaymentOperation) -> bool:
        """Asked singly: it may have been done before `since` by the gateway's clock, or while its
        books were read. Raises GatewayUnavailable."""
        found = await self._gateway.find(GatewayRequest.of(operation))
        if isinstance(found, Unknown):
            raise GatewayUnavailable(
                f"The gateway does not say what became of it: {found.problem}."
            )
        return isinstance(found, Approved)


async def _in_pages(effects: AsyncIterator[Effect]) -> AsyncIterator[Sequence[Effect]]:
    page: list[Effect] = []
    async for effect in effects:
        page.append(effect)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


def _difference(operation: PaymentOperation, kind: Difference, theirs: str) -> Found:
    ours = f"{operation.kind} of {operation.amount}, {operation.state}: {operation.id}"
    return Found(order_id=operation.order_id, kind=kind, ours=ours, gateway=theirs)


def _has_lapsed(operation: PaymentOperation) -> bool:
    """It was done, and undone by time."""
    failure = operation.failure
    return (
        operation.kind is OperationKind.AUTHORIZE
        and failure is not None
        and failure.code == AUTHORIZATION_EXPIRED
    )


def _id_of(reference: str) -> UUID | None:
    try:
        return UUID(reference)
    except ValueError:
        return None
