"""Give money back, all or a part, as often as there is some left, each once per key."""

from dataclasses import dataclass

from application.change_order import ChangeOrder, WhichOrder, amount_of
from application.once import CREATED, Answer, Claim, Made
from application.order_document import order_json
from application.refund_document import refund_json
from domain.order import Asking, Change, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundOrderCommand:
    """`amount_minor` None means all that is left."""

    claim: Claim
    which: WhichOrder
    amount_minor: int | None
    reason: str | None


class RefundOrder:
    def __init__(self, *, change_order: ChangeOrder) -> None:
        self._change_order = change_order

    async def __call__(self, command: RefundOrderCommand) -> Answer:
        """The refund, `pending`. Its amount is reserved from now on: however many refunds race,
        together they never exceed what was captured.

        Raises DomainError `order_is_...`, `refund_amount_invalid`, and all that ChangeOrder does.
        """

        def refund(order: Order, asking: Asking) -> Change:
            amount = amount_of(command.amount_minor, order)
            return order.request_refund(amount, command.reason, asking)

        return await self._change_order(command.claim, command.which, refund, _made)


def _made(change: Change) -> Made:
    refund = change.operation
    if refund is None:
        raise ValueError("a refund that was asked for has an operation")
    return Made(
        resource_type="refund",
        resource_id=refund.id,
        location=f"/v1/refunds/{refund.id}",
        body=refund_json(refund).encode(),
        change=change,
        document=order_json(change.order).encode(),
        status=CREATED,
    )
