import time
from contextlib import suppress

import httpx
from harbor_payments_client import AuthenticatedClient
from harbor_payments_client.api.orders import place_order
from harbor_payments_client.models import Order, OrderRequest

ATTEMPTS = 5


def place(client: AuthenticatedClient, key: str, request: OrderRequest) -> Order:
    """One order, however often it has to be asked for. Keep the key beside what you order it for.

    Raises RuntimeError, with what Harbor says.
    """
    for attempt in range(1, ATTEMPTS + 1):
        pause = attempt
        # What is no JSON raises ValueError: a proxy on the way answers too.
        with suppress(httpx.TransportError, ValueError):
            answer = place_order.sync_detailed(client=client, body=request, idempotency_key=key)
            if isinstance(answer.parsed, Order):
                return answer.parsed
            after = answer.headers.get("Retry-After", "")
            if not after and answer.status_code < 500 and answer.status_code not in {408, 429}:
                raise RuntimeError(answer.parsed)
            pause = int(after) if after.isdigit() else attempt
        time.sleep(pause)
    raise RuntimeError("Harbor has no answer yet: ask again, with the same key.")
