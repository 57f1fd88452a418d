"""Capture what an authorized order holds, all or a part, once per idempotency key."""

from dataclasses import dataclass

from application.change_order import ACCEPTED, ChangeOrder, WhichOrder, amount_of, made_order
from application.once import Answer, Claim
from domain.order import Asking, Change, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrderCommand:
    """`amount_minor` None means all."""

    claim: Claim
    which: WhichOrder
    amount_minor: int | None


class CaptureOrder:
    def __init__(self, *, change_order: ChangeOrder) -> None:
        self._change_order = change_order

    async def __call__(self, command: CaptureOrderCommand) -> Answer:
        """The order, from now on `processing` until the gateway has answered.

        Raises DomainError `order_is_...`, `capture_amount_invalid`, and all that ChangeOrder does.
        """

        def capture(order: Order, asking: Asking) -> Change:
            return order.request_capture(amount_of(command.amount_minor, order), asking)

        return await self._change_order(
            command.claim, command.which, capture, lambda change: made_order(change, ACCEPTED)
        )
