"""Place an order, once per idempotency key."""

from dataclasses import dataclass
from datetime import datetime

from application.once import Answer, Claim, Made, Once
from application.order_document import order_json
from application.ports.gateway import PaymentGateway
from application.ports.ids import Ids
from domain.errors import DomainError
from domain.order import Order, OrderRequest, PlacementIds
from domain.quick import quick


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrderCommand:
    claim: Claim
    request: OrderRequest


class PlaceOrder:
    def __init__(self, *, once: Once, gateway: PaymentGateway, ids: Ids) -> None:
        self._once = once
        self._gateway = gateway
        self._ids = ids

    async def __call__(self, command: PlaceOrderCommand) -> Answer:
        """The order's document, from now on durable.

        Raises DomainError `payment_method_unknown`, `amount_out_of_range`, and all that Once does.
        """

        async def make(now: datetime) -> Made:
            # Asked in here, so that what was placed with another gateway is still replayed.
            if not self._gateway.accepts(command.request.payment_method):
                raise DomainError(
                    "payment_method_unknown",
                    "The payment gateway does not know this kind of payment method.",
                    "payment_method",
                )
            return self._place(command, now)

        return await self._once(command.claim, make)

    def _place(self, command: PlaceOrderCommand, now: datetime) -> Made:
        change = Order.place(
            command.request,
            merchant_id=command.claim.merchant_id,
            idempotency_key=command.claim.key,
            ids=PlacementIds(
                order=self._ids.new(), operation=self._ids.new(), event=self._ids.new()
            ),
            gateway=self._gateway.name,
            now=now,
        )
        document = order_json(change.order).encode()
        return Made(
            resource_type="order",
            resource_id=change.order.id,
            location=f"/v1/orders/{change.order.id}",
            body=document,
            change=change,
            document=document,
        )
