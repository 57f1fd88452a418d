"""A partner's client with one flaw: `flawed_client.py FLAW`. Without it, it would pass."""

import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import count
from typing import Any
from urllib.parse import urlsplit

PATIENCE_SECONDS = 4.0
OVERALL_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a client goes about it; the defaults are right. `keys` is how often it makes a new one:
    for each "order", for each "request", or "once"; with "none" it sends none."""

    keys: str = "order"
    body_changes: bool = False
    most_attempts: int = 100
    first_pause: float = 0.2
    grows: bool = True
    heeds_retry_after: bool = True
    success: tuple[int, ...] = (200, 201)
    gives_up_at: tuple[int, ...] = (400, 401, 403, 422)
    reads_as_json: tuple[int, ...] = ()
    asks_after_the_key: bool = False
    placements: int = 1
    leaves_out: str | None = None
    also_places_another: bool = False


FLAWS = {
    "none": Ways(),
    "new_key_for_each_request": Ways(keys="request"),
    "one_key_for_all": Ways(keys="once"),
    "none_and_asks_after_the_key": Ways(asks_after_the_key=True),
    "no_key": Ways(keys="none"),
    "body_changes": Ways(body_changes=True),
    "never_comes_back": Ways(most_attempts=1),
    "ignores_retry_after": Ways(heeds_retry_after=False, first_pause=0.05),
    "hammers": Ways(most_attempts=10_000, first_pause=0.005, grows=False),
    "retries_refusals": Ways(gives_up_at=(), most_attempts=12, first_pause=0.25, grows=False),
    "takes_only_201": Ways(success=(201,), most_attempts=10, first_pause=0.25, grows=False),
    "chokes_on_html": Ways(reads_as_json=(500, 502, 503)),
    "chokes_on_html_where_a_problem_is_documented": Ways(reads_as_json=(500, 503)),
    "places_twice": Ways(placements=2),
    "forgets_one": Ways(leaves_out="CONF-1"),
    "places_others": Ways(also_places_another=True),
}


class Client:
    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._only_key = str(uuid.uuid4())

    def place(self, invoice: str) -> None:
        for _ in range(self._ways.placements):
            self._place(invoice)

    def _place(self, invoice: str) -> None:
        key = self._key() if self._ways.keys == "order" else None
        give_up_at = time.monotonic() + OVERALL_SECONDS
        pauses = self._pauses()
        for attempt in range(self._ways.most_attempts):
            sent = key or self._key()
            status, retry_after = self._post(sent, self._body(invoice, attempt))
            done = status in self._ways.success or status in self._ways.gives_up_at
            if self._ways.asks_after_the_key and status in {0, *range(500, 600)}:
                done = self._is_completed(sent)
            if done or attempt + 1 == self._ways.most_attempts or time.monotonic() > give_up_at:
                return
            heeded = float(retry_after or 0) if self._ways.heeds_retry_after else 0.0
            time.sleep(max(next(pauses), heeded))

    def _key(self) -> str:
        return self._only_key if self._ways.keys == "once" else str(uuid.uuid4())

    def _pauses(self) -> Iterator[float]:
        for number in count():
            yield self._ways.first_pause * (2**number if self._ways.grows else 1)

    def _body(self, invoice: str, attempt: int) -> dict[str, Any]:
        body = {
            "customer_id": "cus_42",
            "amount_cents": 1999,
            "currency": "EUR",
            "invoice_id": invoice,
        }
        return body | ({"description": f"attempt {attempt}"} if self._ways.body_changes else {})

    def _post(self, key: str, body: dict[str, Any]) -> tuple[int, str | None]:
        """Status, 0 for no answer, and Retry-After."""
        headers = {"Content-Type": "application/json"}
        if self._ways.keys != "none":
            headers["Idempotency-Key"] = key
        try:
            response, text = self._request("POST", "/v1/orders", json.dumps(body), headers)
        except (OSError, HTTPException):
            return 0, None
        if response.status in self._ways.reads_as_json:
            json.loads(text)
        return response.status, response.headers["Retry-After"]

    def _is_completed(self, key: str) -> bool:
        _, text = self._request("GET", f"/v1/idempotency-keys/{key}", None, {})
        return bool(json.loads(text)["state"] == "completed")

    def _request(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[HTTPResponse, bytes]:
        address = urlsplit(os.environ["HARBOR_URL"]).netloc
        connection = HTTPConnection(address, timeout=PATIENCE_SECONDS)
        bearer = {"Authorization": f"Bearer {os.environ['HARBOR_API_KEY']}"}
        try:
            connection.request(method, path, body, bearer | headers)
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


def main() -> None:
    ways = FLAWS[sys.argv[1]]
    client = Client(ways)
    invoices = os.environ["HARBOR_CONFORMANCE_INVOICES"].split(",")
    kept = [invoice for invoice in invoices if invoice != ways.leaves_out]
    more = ["OTHER-1"] if ways.also_places_another else []
    # With one key for all it depends on the first which of them is placed.
    threads = 1 if ways.keys == "once" else len(invoices)
    with ThreadPoolExecutor(threads) as pool:
        for placed in [pool.submit(client.place, invoice) for invoice in (*kept, *more)]:
            error = placed.exception()
            if error is not None:
                print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
