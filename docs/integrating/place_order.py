"""Places the order of an invoice, and only one, however often it is run: pip install httpx2

python place_order.py INV-2026-0042 1999
"""

import json
import os
import random
import sqlite3
import sys
import time
import uuid
from typing import Any

import httpx2

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds
TEMPORARY = {408, 429, 500, 502, 503, 504}  # some of them a proxy's on the way


class Refused(Exception):
    """To send it again as it is does not help. The message says what does."""


def intent(store: sqlite3.Connection, invoice_id: str, order: dict[str, Any]) -> tuple[str, str]:
    """The key and the body for this invoice: written down before anything is sent, and the same
    ever after. With you it is a table beside your invoices."""
    with store:
        store.execute("CREATE TABLE IF NOT EXISTS intents (invoice_id PRIMARY KEY, key, body)")
        store.execute(
            "INSERT INTO intents VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (invoice_id, str(uuid.uuid4()), json.dumps(order)),
        )
    found = store.execute("SELECT key, body FROM intents WHERE invoice_id = ?", (invoice_id,))
    key, body = found.fetchone()
    return key, body


def post(client: httpx2.Client, path: str, key: str, body: str) -> dict[str, Any]:
    """POST until it is known what came of it, which may take as long as Harbor cannot be reached.
    Raises Refused."""
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    pause = FIRST_PAUSE
    while True:
        asked_for = 0.0
        try:
            answer = client.post(path, content=body, headers=headers)
        except httpx2.TransportError:
            pass  # It may have been carried out or not: the same key finds out.
        else:
            if answer.is_success:
                document: dict[str, Any] = answer.json()
                return document
            if not is_temporary(answer):
                raise Refused(answer.text)
            asked_for = retry_after(answer)
        time.sleep(asked_for + random.uniform(0, pause))  # so that not all come back at once
        pause = min(2 * pause, LONGEST_PAUSE)


def is_temporary(answer: httpx2.Response) -> bool:
    if answer.status_code == httpx2.codes.CONFLICT:
        return "idempotency_in_progress" in answer.text
    return answer.status_code in TEMPORARY


def retry_after(answer: httpx2.Response) -> float:
    """In seconds."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else 0.0


def main(invoice_id: str, amount_cents: int) -> None:
    order = {
        "customer_id": "cus_42",
        "invoice_id": invoice_id,
        "amount_cents": amount_cents,
        "currency": "EUR",
    }
    key, body = intent(sqlite3.connect("intents.db"), invoice_id, order)
    with httpx2.Client(
        base_url=os.environ["HARBOR_URL"],
        headers={"Authorization": f"Bearer {os.environ['HARBOR_API_KEY']}"},
        timeout=30,  # Harbor says after 25 seconds that it does not know yet
    ) as client:
        placed = post(client, "/v1/orders", key, body)
    print(invoice_id, placed["id"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
