"""Cancel an order that nothing was taken for, once per idempotency key."""

from dataclasses import dataclass
from typing import Final

from application.change_order import ACCEPTED, ChangeOrder, WhichOrder, made_order
from application.once import Answer, Claim, Made
from domain.order import Change, Order, OrderStatus

_DONE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrderCommand:
    claim: Claim
    which: WhichOrder


class CancelOrder:
    def __init__(self, *, change_order: ChangeOrder) -> None:
        self._change_order = change_order

    async def __call__(self, command: CancelOrderCommand) -> Answer:
        """The order: `canceled` (200), or `processing` (202) while the gateway lets go of what it
        holds.

        Raises DomainError `order_is_...`, and all that ChangeOrder does.
        """
        return await self._change_order(command.claim, command.which, Order.request_cancel, _made)


def _made(change: Change) -> Made:
    done = change.order.status is OrderStatus.CANCELED
    return made_order(change, _DONE if done else ACCEPTED)
