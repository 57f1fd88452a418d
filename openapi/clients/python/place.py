import time
from contextlib import suppress

import httpx
from harbor_payments_client import AuthenticatedClient
from harbor_payments_client.api.orders import place_order
from harbor_payments_client.models import Order, OrderRequest, Problem
from harbor_payments_client.types import Response

ATTEMPTS = 5


def place(client: AuthenticatedClient, key: str, request: OrderRequest) -> Order:
    """One order, however often it has to be asked for. Keep the key beside what you order it for.

    Raises RuntimeError, with what Harbor says.
    """
    for attempt in range(1, ATTEMPTS + 1):
        answer: Response[Order | Problem] | None = None
        with suppress(httpx.TransportError):
            answer = place_order.sync_detailed(client=client, body=request, idempotency_key=key)
        if answer is not None and isinstance(answer.parsed, Order):
            return answer.parsed
        headers = {} if answer is None else answer.headers
        if answer is not None and answer.status_code < 500 and "Retry-After" not in headers:
            raise RuntimeError(answer.parsed)
        time.sleep(int(headers.get("Retry-After", attempt)))
    raise RuntimeError("Harbor has no answer yet: ask again, with the same key.")
