"""The order and its life."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import DomainError
from domain.event import EventType, OrderEvent
from domain.money import Money
from domain.payment import OperationKind, OperationState, PaymentOperation
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
        {OrderStatus.AUTHORIZED, OrderStatus.PAID, OrderStatus.FAILED}
    ),
    OrderStatus.AUTHORIZED: frozenset({OrderStatus.PAID, OrderStatus.CANCELED, OrderStatus.FAILED}),
    OrderStatus.PAID: frozenset({OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED}),
    OrderStatus.PARTIALLY_REFUNDED: frozenset(
        {OrderStatus.PARTIALLY_REFUNDED, OrderStatus.REFUNDED}
    ),
    OrderStatus.FAILED: frozenset(),
    OrderStatus.CANCELED: frozenset(),
    OrderStatus.REFUNDED: frozenset(),
}
"""From each status, where an order may go next; anything else is DomainError
`order_transition_refused`."""


class CaptureMethod(StrEnum):
    AUTOMATIC = "automatic"
    MANUAL = "manual"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an order failed: a stable code, and one sentence for a person."""

    code: str
    message: str


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
    """A B2B invoice's payment. Immutable: each verb answers the Change that it made."""

    id: UUID
    merchant_id: UUID
    idempotency_key: str
    request: OrderRequest
    status: OrderStatus
    captured: Money
    refunded: Money
    failure: Failure | None
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
            failure=None,
            risk_score=risk_score(
                amount=request.amount,
                has_invoice=request.invoice_id is not None,
                has_payment_method=request.payment_method is not None,
            ),
            version=1,
            created_at=now,
            updated_at=now,
        )
        return Change(
            order=order,
            event=order._event(ids.event, EventType.ORDER_CREATED),
            operation=order._first_operation(ids.operation, now),
        )

    def start_processing(self, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway is being asked; from here on its answer decides."""
        return self._become(OrderStatus.PROCESSING, EventType.ORDER_PROCESSING, event_id, now)

    def authorize(self, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway holds the money for a later capture (manual capture only)."""
        if self.request.capture_method is not CaptureMethod.MANUAL:
            raise self._refused(OrderStatus.AUTHORIZED)
        return self._become(OrderStatus.AUTHORIZED, EventType.ORDER_AUTHORIZED, event_id, now)

    def pay(self, amount: Money, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway took `amount`. It is the whole amount unless a manual capture took less."""
        whole = self.request.amount
        if amount.is_zero or not amount <= whole:
            raise DomainError(
                "capture_amount_invalid", "A capture takes 1 up to the order's amount."
            )
        partial_allowed = self.status is OrderStatus.AUTHORIZED
        if amount != whole and not partial_allowed:
            raise DomainError("capture_amount_invalid", "An automatic capture takes all.")
        if (
            self.status is OrderStatus.PROCESSING
            and self.request.capture_method is CaptureMethod.MANUAL
        ):
            raise self._refused(OrderStatus.PAID)
        return replace(self, captured=amount)._become(
            OrderStatus.PAID, EventType.ORDER_PAID, event_id, now
        )

    def fail(self, failure: Failure, *, event_id: UUID, now: datetime) -> "Change":
        """The gateway definitively declined. A timeout is not a decline."""
        return replace(self, failure=failure)._become(
            OrderStatus.FAILED, EventType.ORDER_FAILED, event_id, now
        )

    def cancel(self, *, event_id: UUID, now: datetime) -> "Change":
        return self._become(OrderStatus.CANCELED, EventType.ORDER_CANCELED, event_id, now)

    def refund(self, amount: Money, *, event_id: UUID, now: datetime) -> "Change":
        """`amount` went back to the payer; all refunds together never exceed what was captured."""
        refunded = self.refunded + amount
        if amount.is_zero or not refunded <= self.captured:
            raise DomainError(
                "refund_amount_invalid", "A refund is 1 up to what is captured and not refunded."
            )
        status = (
            OrderStatus.REFUNDED if refunded == self.captured else OrderStatus.PARTIALLY_REFUNDED
        )
        return replace(self, refunded=refunded)._become(
            status, EventType.ORDER_REFUNDED, event_id, now
        )

    def _become(
        self, status: OrderStatus, event_type: EventType, event_id: UUID, now: datetime
    ) -> "Change":
        if status not in TRANSITIONS[self.status]:
            raise self._refused(status)
        order = replace(self, status=status, version=self.version + 1, updated_at=now)
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

    def _refused(self, target: OrderStatus) -> DomainError:
        return DomainError(
            "order_transition_refused",
            f"An order that is {self.status} cannot become {target}.",
        )

    def _first_operation(self, operation_id: UUID, now: datetime) -> PaymentOperation:
        automatic = self.request.capture_method is CaptureMethod.AUTOMATIC
        return PaymentOperation(
            id=operation_id,
            merchant_id=self.merchant_id,
            order_id=self.id,
            kind=OperationKind.CHARGE if automatic else OperationKind.AUTHORIZE,
            amount=self.request.amount,
            payment_method=self.request.payment_method,
            state=OperationState.PENDING,
            fence=0,
            attempts=0,
            due_at=now,
            first_sent_at=None,
            lease_expires_at=None,
            created_at=now,
            updated_at=now,
        )


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementIds:
    """The identities of what placing an order makes."""

    order: UUID
    operation: UUID
    event: UUID


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """An order as a verb left it, with the one event that tells of it and, where the gateway has
    to act next, the operation. It is saved whole: a change without its event cannot exist."""

    order: Order
    event: OrderEvent
    operation: PaymentOperation | None = None
