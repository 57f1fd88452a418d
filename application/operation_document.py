"""The public JSON document of a payment operation: what the gateway was asked and what it said,
without keys, leases and fences."""

from collections.abc import Sequence
from typing import Final

from application.json_text import json_text, rfc3339
from domain.payment import Attempt, OperationState, PaymentOperation

_STATUS: Final = {OperationState.HELD: OperationState.SUCCEEDED}
"""That an authorization is watched is nobody's business."""


def operation_json(operation: PaymentOperation, attempts: Sequence[Attempt]) -> str:
    """JSON without white space. Every field is always present; null where there is nothing."""
    failure = operation.failure
    return (
        f'{{"id":"{operation.id}"'
        f',"order_id":"{operation.order_id}"'
        f',"kind":"{operation.kind}"'
        f',"amount_cents":{operation.amount.amount_minor}'
        f',"currency":"{operation.amount.currency}"'
        f',"status":"{_STATUS.get(operation.state, operation.state)}"'
        f',"failure":{json_text(failure and {"code": failure.code, "message": failure.message})}'
        f',"attempt_count":{operation.attempts}'
        f',"attempts":[{",".join(map(_attempt_json, attempts))}]'
        f',"created_at":"{rfc3339(operation.created_at)}"'
        f',"updated_at":"{rfc3339(operation.updated_at)}"}}'
    )


def _attempt_json(attempt: Attempt) -> str:
    return (
        f'{{"number":{attempt.number}'
        f',"outcome":"{attempt.outcome}"'
        f',"code":{json_text(attempt.code)}'
        f',"started_at":"{rfc3339(attempt.started_at)}"'
        f',"ended_at":"{rfc3339(attempt.ended_at)}"}}'
    )
