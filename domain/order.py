"""The order and its life."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.errors import DomainError
from domain.event import EventType, OrderEvent
from domain.money import Money
from domain.payment import Failure, OperationKind, PaymentOperation
from domain.quick import quick
from domain.risk import risk_score

MAX_ORDER_AMOUNT_MINOR: Final = 10_000_000


class OrderStatus(StrEnum):
    PENDING = "pending"
    PROCESSING = "processing"
    AUTHORIZED = "authorized"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


TRANSITIONS: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PROCESSING, OrderStatus.CANCELED}),
    OrderStatus.PROCESSING: frozenset(
        {OrderStatus.AUTHORIZED, OrderStatus.PAID, OrderStatus.FAILED, OrderStatus.CANCELED}
    ),
    OrderStatus.AUTHORIZED: frozenset({OrderStatus.PROCESSING, OrderStatus.FAILED}),
    OrderStatus.PAID: frozenset({OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED}),
    OrderStatus.PARTIALLY_REFUNDED: frozenset(
        {OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED}
    ),
    OrderStatus.FAILED: frozenset(),
    OrderStatus.CANCELED: frozenset(),
    OrderStatus.REFUNDED: frozenset(),
}
"""From each status, where an order may go next. While the gateway is asked, for whatever, an order
is `processing`; only refunds leave it where it is."""

REFUNDABLE: Final = frozenset({OrderStatus.PAID, OrderStatus.PARTIALLY_REFUNDED})


class CaptureMethod(StrEnum):
    AUTOMATIC = "automatic"
    MANUAL = "manual"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What an integrator asks for."""

    customer_id: str
    amount: Money
    invoice_id: str | None = None
    description: str | None = None
    payment_method: str | None = None
    capture_method: CaptureMethod = CaptureMethod.AUTOMATIC
    metadata: Mapping[str, str]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A B2B invoice's payment. Immutable: each verb answers the Change that it made.

    `refunding` is reserved by refunds that were accepted and have no outcome yet; with `refunded`
    it never exceeds `captured`. `payment_id` is what the gateway calls the payment.
    """

    id: UUID
    merchant_id: UUID
    idempotency_key: str
    request: OrderRequest
    status: OrderStatus
    captured: Money
    refunded: Money
    refunding: Money
    failure: Failure | None
    payment_id: str | None
    risk_score: int
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def place(
        cls,
        request: OrderRequest,
        *,
        merchant_id: UUID,
        idempotency_key: str,
        ids: "PlacementIds",
        gateway: str,
        now: datetime,
    ) -> "Change":
        """A pending order, the first payment operation that it waits for, and its event.

        Raises DomainError `amount_out_of_range` unless 1 <= amount <= MAX_ORDER_AMOUNT_MINOR.
        """
        if not 1 <= request.amount.amount_minor <= MAX_ORDER_AMOUNT_MINOR:
            raise DomainError(
                "amount_out_of_range",
                f"An order's amount is 1 to {MAX_ORDER_AMOUNT_MINOR} minor units.",
                "amount_cents",
            )
        nothing = Money.zero(request.amount.currency)
        order = cls(
            id=ids.order,
            merchant_id=merchant_id,
            idempotency_key=idempotency_key,
            request=request,
            status=OrderStatus.PENDING,
            captured=nothing,
            refunded=nothing,
            refunding=nothing,
            failure=None,
            payment_id=None,
            risk_score=risk_score(
                amount=request.amount,
                has_invoice=request.invoice_id is not None,
                has_payment_method=request.payment_method is not None,
            ),
            version=1,
            created_at=now,
            updated_at=now,
        )
        automatic = request.capture_method is CaptureMethod.AUTOMATIC
        return Change(
            order=order,
            event=order._event(ids.event, EventType.ORDER_CREATED),
            operation=PaymentOperation(
                id=ids.operation,
                merchant_id=merchant_id,
                order_id=ids.order,
                kind=OperationKind.CHARGE if automatic else OperationKind.AUTHORIZE,
                amount=request.amount,
                gateway=gateway,
                payment_method=request.payment_method,
                due_at=now,
                created_at=now,
                updated_at=now,
            ),
        )

    # What an integrator asks for.

    def request_capture(self, amount: Money | None, asking: "Asking") -> "Change":
        """The gateway is to take `amount` of what it holds, None for all; the rest is released.

        Raises DomainError `order_is_...`, `capture_amount_invalid`.
        """
        if self.status is not OrderStatus.AUTHORIZED:
            raise self._refusal("Only an authorized order can be captured.")
        whole = self.request.amount
        amount = whole if amount is None else amount
        if amount.is_zero or not amount <= whole:
            raise DomainError(
                "capture_amount_invalid",
                f"A capture takes 1 up to the order's amount, {whole.amount_minor} minor units.",
                "amount_cents",
            )
        return self._ask(OperationKind.CAPTURE, amount, asking)

    def request_cancel(self, asking: "Asking") -> "Change":
        """Canceled at once while nobody has asked the gateway for anything; otherwise the gateway
        is to let go of what it holds first. Raises DomainError `order_is_...`."""
        if self.status is OrderStatus.PENDING:
            return self.cancel(event_id=asking.event_id, now=asking.now)
        if self.status is not OrderStatus.AUTHORIZED:
            raise self._refusal("Only a pending or authorized order can be canceled.")
        return self._ask(OperationKind.VOID, self.request.amount, asking)

    def request_refund(
        self, amount: Money | None, reason: str | None, asking: "Asking"
    ) -> "Change":
        """`amount` is reserved for going back to the payer, None for all that is left.

        Raises DomainError `order_is_...`, `refund_amount_invalid`.
        """
        if self.status not in REFUNDABLE:
            raise self._refusal("Only what was paid can be refunded.")
        left = self.captured - self.refunded - self.refunding
        amount = left if amount is None else amount
        if amount.is_zero or not amount <= left:
            raise DomainError(
                "refund_amount_invalid",
                f"{left.amount_minor} minor units are left that can be refunded.",
                "amount_cents",
            )
        change = self._next(
            EventType.REFUND_CREATED,
            asking.event_id,
            asking.now,
            refunding=self.refunding + amount,
        )
        return replace(
            change, operation=self._operation(OperationKind.REFUND, amount, asking, reason)
        )

    # What the gateway's answers make of it.

    def start_processing(self, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway is being asked; from here on its answer decides."""
        return self._become(OrderStatus.PROCESSING, EventType.ORDER_PROCESSING, event_id, now)

    def authorize(self, payment_id: str | None, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway holds the money for a later capture (manual capture only)."""
        if self.request.capture_method is not CaptureMethod.MANUAL:
            raise self._refusal("Only an order with manual capture can become authorized.")
        return self._become(
            OrderStatus.AUTHORIZED,
            EventType.ORDER_AUTHORIZED,
            event_id,
            now,
            payment_id=payment_id or self.payment_id,
        )

    def pay(
        self, amount: Money, payment_id: str | None, *, event_id: UUID, now: datetime
    ) -> "Change":
        """The gateway took `amount`. It is the whole amount unless a manual capture took less."""
        whole = self.request.amount
        if amount.is_zero or not amount <= whole:
            raise DomainError(
                "capture_amount_invalid", "A capture takes 1 up to the order's amount."
            )
        if amount != whole and self.request.capture_method is CaptureMethod.AUTOMATIC:
            raise DomainError("capture_amount_invalid", "An automatic capture takes all.")
        return self._become(
            OrderStatus.PAID,
            EventType.ORDER_PAID,
            event_id,
            now,
            captured=amount,
            payment_id=payment_id or self.payment_id,
        )

    def fail(self, failure: Failure, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway definitively declined. A timeout is not a decline."""
        return self._become(
            OrderStatus.FAILED, EventType.ORDER_FAILED, event_id, now, failure=failure
        )

    def cancel(self, *, event_id: UUID, now: datetime) -> "Change":
        """Nothing was taken, and the gateway holds nothing any more."""
        return self._become(OrderStatus.CANCELED, EventType.ORDER_CANCELED, event_id, now)

    def refund(self, amount: Money, *, event_id: UUID, now: datetime) -> "Change":
        """`amount`, which was reserved, went back to the payer."""
        refunded = self.refunded + self._reserved(amount)
        status = (
            OrderStatus.REFUNDED if refunded == self.captured else OrderStatus.PARTIALLY_REFUNDED
        )
        return self._become(
            status,
            EventType.ORDER_REFUNDED,
            event_id,
            now,
            refunded=refunded,
            refunding=self.refunding - amount,
        )

    def close_refund(self, *, event_id: UUID, now: datetime) -> "Change":
        """The refund that the version before tells of has succeeded."""
        return self._next(EventType.REFUND_SUCCEEDED, event_id, now)

    def release_refund(self, amount: Money, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway declined the refund: what was reserved for it is free again."""
        left = self.refunding - self._reserved(amount)
        return self._next(EventType.REFUND_FAILED, event_id, now, refunding=left)

    def _reserved(self, amount: Money) -> Money:
        if amount.is_zero or not amount <= self.refunding:
            raise DomainError("refund_amount_invalid", "A refund takes what was reserved for it.")
        return amount

    def _ask(self, kind: OperationKind, amount: Money, asking: "Asking") -> "Change":
        change = self.start_processing(event_id=asking.event_id, now=asking.now)
        return replace(change, operation=self._operation(kind, amount, asking))

    def _operation(
        self, kind: OperationKind, amount: Money, asking: "Asking", reason: str | None = None
    ) -> PaymentOperation:
        return PaymentOperation(
            id=asking.operation_id,
            merchant_id=self.merchant_id,
            order_id=self.id,
            kind=kind,
            amount=amount,
            gateway=asking.gateway,
            payment_id=self.payment_id,
            reason=reason,
            due_at=asking.now,
            created_at=asking.now,
            updated_at=asking.now,
        )

    def _become(
        self,
        status: OrderStatus,
        event_type: EventType,
        event_id: UUID,
        now: datetime,
        **changed: Any,
    ) -> "Change":
        if status not in TRANSITIONS[self.status]:
            raise self._refusal(f"It cannot become {status}.")
        return self._next(event_type, event_id, now, status=status, **changed)

    def _next(
        self, event_type: EventType, event_id: UUID, now: datetime, **changed: Any
    ) -> "Change":
        """The next version, with the event that tells of it."""
        # Two clocks date an order, a server's and the database's; it never grows younger.
        at = max(now, self.updated_at)
        order = replace(self, version=self.version + 1, updated_at=at, **changed)
        return Change(order=order, event=order._event(event_id, event_type))

    def _event(self, event_id: UUID, event_type: EventType) -> OrderEvent:
        """The event of the change that made this version."""
        return OrderEvent(
            id=event_id,
            merchant_id=self.merchant_id,
            order_id=self.id,
            order_version=self.version,
            type=event_type,
            occurred_at=self.updated_at,
        )

    def _refusal(self, rule: str) -> DomainError:
        """The code says what the order's status is, the detail what it would have to be."""
        return DomainError(f"order_is_{self.status}", f"The order is {self.status}. {rule}")


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementIds:
    """The identities of what placing an order makes."""

    order: UUID
    operation: UUID
    event: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What it takes to ask a gateway for something more: who is asked, when, and the identities of
    the operation and the event."""

    operation_id: UUID
    event_id: UUID
    gateway: str
    now: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An order as a verb left it, with the one event that tells of it and, where the gateway has
    to act next, the new operation. It is saved whole: a change without its event cannot exist."""

    order: Order
    event: OrderEvent
    operation: PaymentOperation | None = None
