"""Places orders at Harbor, each once, whatever goes wrong on the way. Needs Python alone."""

import json
import os
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

HARBOR_URL = os.environ["HARBOR_URL"]
API_KEY = os.environ["HARBOR_API_KEY"]
PATIENCE = float(os.environ.get("PATIENCE", "10"))  # seconds for one answer
LONGEST_PAUSE = 30.0  # seconds
GIVE_UP_AFTER = 300.0  # seconds; what is left then is for a person
COME_AGAIN = {408, 409, 425, 429}


class Refused(Exception):
    """The order will never be taken as it is."""


def place(order: dict[str, Any]) -> dict[str, Any]:
    """The order that Harbor made of it."""
    # Key and body are made once, before the first attempt: with you they are written down with the
    # order, so that who takes over after a crash goes on under the same key.
    key, body = str(uuid.uuid4()), json.dumps(order)
    pause, give_up_at = 0.5, time.monotonic() + GIVE_UP_AFTER
    while True:
        try:
            status, retry_after, answer = post(key, body)
        except (OSError, HTTPException):
            status, retry_after, answer = 0, "", ""  # who knows what became of it?
        if status in {200, 201}:  # 200 is the answer to a repeat: the order was there already
            made: dict[str, Any] = json.loads(answer)
            return made
        if 400 <= status < 500 and status not in COME_AGAIN:
            raise Refused(f"{status}: {answer}")
        pause = max(pause, float(retry_after) if retry_after.isdigit() else 0)
        if time.monotonic() + pause > give_up_at:
            raise TimeoutError(f"the outcome of {key} is not known")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def post(key: str, body: str) -> tuple[int, str, str]:
    """Status, Retry-After and body of one answer."""
    where = urlsplit(HARBOR_URL)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = kind(where.netloc, timeout=PATIENCE)
    headers = {
        "Authorization": f"Bearer {API_KEY}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    try:
        connection.request("POST", "/v1/orders", body, headers)
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
        return response.status, response.headers.get("Retry-After", ""), answer
    finally:
        connection.close()


def place_for(invoice: str) -> str:
    order = {
        "customer_id": "cus_42",
        "amount_cents": 1999,
        "currency": "EUR",
        "invoice_id": invoice,
    }
    try:
        return f"{invoice}  {place(order)['id']}"
    except (Refused, TimeoutError) as error:
        return f"{invoice}  {error}"


if __name__ == "__main__":
    invoices = sys.argv[1:] or os.environ["HARBOR_CONFORMANCE_INVOICES"].split(",")
    with ThreadPoolExecutor(8) as threads:
        for line in threads.map(place_for, invoices):
            print(line, flush=True)
