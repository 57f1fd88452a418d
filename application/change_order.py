"""The order of steps that capturing, canceling and refunding share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from application.errors import OrderChanged, OrderNotFound
from application.once import Answer, Claim, Made, Once
from application.order_document import order_json
from application.ports.gateway import PaymentGateway
from application.ports.ids import Ids
from application.ports.orders import Orders
from domain.money import Money
from domain.order import Asking, Change, Order

ACCEPTED: Final = 202

_TURN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichOrder:
    """The order that is to be changed, and the versions at which the caller wants it changed; None
    means any."""

    id: UUID
    versions: frozenset[int] | None = None


class ChangeOrder:
    def __init__(self, *, once: Once, orders: Orders, gateway: PaymentGateway, ids: Ids) -> None:
        self._once = once
        self._orders = orders
        self._gateway = gateway
        self._ids = ids
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def __call__(
        self,
        claim: Claim,
        which: WhichOrder,
        change: Callable[[Order, Asking], Change],
        made_of: Callable[[Change], Made],
    ) -> Answer:
        """Ask the domain for the change and record it, with the answer that `made_of` makes of it,
        once per idempotency key.

        Raises OrderNotFound, OrderChanged, what `change` refuses, and all that Once does.
        """

        async def make(now: datetime) -> Made:
            order = await self._orders.get(claim.merchant_id, which.id)
            if order is None:
                raise OrderNotFound
            if which.versions is not None and order.version not in which.versions:
                raise OrderChanged
            return made_of(change(order, self._asking(now)))

        async with self._turn(which.id):
            return await self._once(claim, make)

    def _asking(self, now: datetime) -> Asking:
        return Asking(
            operation_id=self._ids.new(),
            event_id=self._ids.new(),
            gateway=self._gateway.name,
            now=now,
        )

    @asynccontextmanager
    async def _turn(self, order_id: UUID) -> AsyncIterator[None]:
        """One after the other, for of those who change an order at once all but one do it in vain.
        It is a courtesy: who waits too long goes ahead, and the order's version decides."""
        turns = self._turns.setdefault(order_id, asyncio.Lock())
        has_turn = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_TURN_SECONDS):
                has_turn = await turns.acquire()
        try:
            yield
        finally:
            if has_turn:
                turns.release()


def amount_of(minor: int | None, order: Order) -> Money | None:
    """In the order's currency; None stands for all."""
    if minor is None:
        return None
    return Money(amount_minor=minor, currency=order.request.amount.currency)


def made_order(change: Change, status: int) -> Made:
    """The answer is the order as the change left it."""
    document = order_json(change.order).encode()
    return Made(
        resource_type="order",
        resource_id=change.order.id,
        location=f"/v1/orders/{change.order.id}",
        body=document,
        change=change,
        document=document,
        status=status,
    )
