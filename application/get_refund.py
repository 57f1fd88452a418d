"""Fetch one refund as it is now."""

from uuid import UUID

from application.errors import RefundNotFound
from application.ports.payment_history import PaymentHistory
from domain.payment import OperationKind, PaymentOperation


class GetRefund:
    def __init__(self, *, history: PaymentHistory) -> None:
        self._history = history

    async def __call__(self, merchant_id: UUID, refund_id: UUID) -> PaymentOperation:
        """Raises RefundNotFound, StorageUnavailable."""
        refund = await self._history.operation(merchant_id, refund_id)
        if refund is None or refund.kind is not OperationKind.REFUND:
            raise RefundNotFound
        return refund
