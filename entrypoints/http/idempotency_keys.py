"""The route of idempotency keys."""

from fastapi import APIRouter, Response

from application.json_text import rfc3339
from application.look_up_idempotency_key import KeyOutcome
from application.order_document import order_document
from entrypoints.http.answers import json_response
from entrypoints.http.dependencies import ContainerOf, OrdersReader, parse_idempotency_key
from entrypoints.http.documented import KEYED, answered, problems
from entrypoints.http.json_body import StrictJsonRoute
from entrypoints.http.wire.api_keys import IdempotencyKeyOut
from entrypoints.http.wire.paths import IdempotencyKeyPath

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Idempotency"])


@router.get(
    "/idempotency-keys/{key:path}",
    response_model=None,
    responses=answered(IdempotencyKeyOut, "What became of it.")
    | problems(*KEYED, "idempotency_key_invalid"),
)
async def get_idempotency_key(
    key: IdempotencyKeyPath, caller: OrdersReader, container: ContainerOf
) -> Response:
    """Find out what became of a key when its answer was lost. Percent-encode the key."""
    name = parse_idempotency_key(key)
    return json_response(
        _document(await container.look_up_idempotency_key()(caller.merchant_id, name))
    )


def _document(outcome: KeyOutcome) -> dict[str, object]:
    answer, order = outcome.answer, outcome.order
    return {
        "key": outcome.key,
        "state": str(outcome.state),
        "route": answer and answer.route,
        "resource_id": answer and str(answer.resource_id),
        "order": order and order_document(order),
        "created_at": answer and rfc3339(answer.created_at),
        "expires_at": answer and rfc3339(answer.expires_at),
    }
