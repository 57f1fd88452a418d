"""A consumer-driven contract (https://docs.pact.io): a partner writes down what its client asks and
what it relies on in the answers; Harbor is held to that, with a real server.

Partners send their pact files, and they are checked like this one. Here the partner's side is an
example: its client, against Pact's own mock server, writes the file.
"""

import gc
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pact import Pact, Verifier, match

from tests.journeys.api import FINAL_SECONDS, LOOK_AGAIN_SECONDS
from tests.journeys.server import Shop

CONSUMER: Final = "acme-billing"
PROVIDER: Final = "harbor"
ORDER: Final = {"customer_id": "cus_pact", "amount_cents": 1999, "currency": "EUR"}
PAID: Final = "the customer has a paid order"
PLACED: Final = "an order was placed with the key"


@dataclass(frozen=True, slots=True)
class BillingClient:
    """What the partner has: as much of the API as it needs."""

    base_url: str
    api_key: str

    def place(self, key: str, order: dict[str, Any]) -> tuple[str, bool]:
        """The order's id, and whether this is the answer of an earlier request. Raises ValueError
        when it is refused, with the code of the problem."""
        answer = httpx2.post(
            f"{self.base_url}/v1/orders",
            json=order,
            headers={"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": key},
        )
        if not answer.is_success:
            raise ValueError(answer.json()["code"])
        return answer.json()["id"], answer.headers["Idempotent-Replayed"] == "true"

    def paid_cents(self, customer_id: str) -> int:
        """What the customer has paid, in minor units."""
        answer = httpx2.get(
            f"{self.base_url}/v1/customers/{customer_id}/orders",
            headers={"Authorization": f"Bearer {self.api_key}"},
        )
        return sum(order["amount_captured_cents"] for order in answer.json()["data"])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The pact file, which the partner's own tests write."""
    pact = Pact(CONSUMER, PROVIDER).with_specification("V4")
    order = {
        "id": match.uuid(),
        "status": match.regex("pending", regex="^(pending|processing|paid)$"),
        "amount_cents": match.integer(1999),
        "currency": "EUR",
    }
    _place(pact.upon_receiving("a new order"), "pact-new", ORDER).will_respond_with(
        201
    ).with_header("Idempotent-Replayed", "false").with_body(order, "application/json")
    again = pact.upon_receiving("an order once more").given(PLACED, key="pact-again")
    _place(again, "pact-again", ORDER).will_respond_with(200).with_header(
        "Idempotent-Replayed", "true"
    ).with_body(order, "application/json")
    _place(
        pact.upon_receiving("an order in a currency that is none"),
        "pact-wrong",
        ORDER | {"currency": "XXX"},
    ).will_respond_with(422).with_body({"code": "validation_failed"}, "application/problem+json")
    (
        pact.upon_receiving("a question for a customer's orders")
        .given(PAID, customer_id="cus_paid")
        .with_request("GET", "/v1/customers/cus_paid/orders")
        .will_respond_with(200)
        .with_body(
            {"data": match.each_like({"amount_captured_cents": match.integer(1999)}, min=1)},
            "application/json",
        )
    )
    with pact.serve() as service:
        client = BillingClient(str(service.url).rstrip("/"), "hk_test_any")
        _, replayed = client.place("pact-new", ORDER)
        assert not replayed
        _, replayed = client.place("pact-again", ORDER)
        assert replayed
        with pytest.raises(ValueError, match="validation_failed"):
            client.place("pact-wrong", ORDER | {"currency": "XXX"})
        assert client.paid_cents("cus_paid") == 1999
    pact.write_file(tmp_path)
    return tmp_path / f"{CONSUMER}-{PROVIDER}.json"


def test_harbor_keeps_what_a_partner_relies_on(written: Path, embedded_shop: Shop) -> None:
    assert _complaint(written, embedded_shop) is None


def test_a_partner_who_relies_on_more_than_there_is_would_be_told(
    written: Path, embedded_shop: Shop
) -> None:
    written.write_text(written.read_text().replace("amount_captured_cents", "amount_paid"))
    complaint = _complaint(written, embedded_shop)
    assert complaint is not None
    assert "missing the following keys: amount_paid" in complaint


def _place(interaction: Any, key: str, order: dict[str, Any]) -> Any:
    return (
        interaction.with_request("POST", "/v1/orders")
        .with_header("Idempotency-Key", key)
        .with_body(order, "application/json")
    )


def _answered(interaction: Any, status: int, body: dict[str, Any], *, replayed: str) -> None:
    (
        interaction.will_respond_with(status)
        .with_header("Idempotent-Replayed", replayed)
        .with_body(body, "application/json")
    )


def _complaint(pact: Path, shop: Shop) -> str | None:
    """What Pact says when it has tried everything; None when it has nothing to say."""
    api_key = shop.harbor.create_merchant()
    client = BillingClient(shop.server.url, api_key)

    def prepare(state: str, parameters: dict[str, Any] | None) -> None:
        given = parameters or {}
        if state == PLACED:
            client.place(given["key"], ORDER)
        elif state == PAID:
            client.place("pact-paid", ORDER | given)
            _await_money(client, given["customer_id"])

    verifier = (
        Verifier(PROVIDER, host="127.0.0.1")
        .add_transport(url=shop.server.url)
        .add_custom_header("Authorization", f"Bearer {api_key}")
        .state_handler(prepare)
        .add_source(pact)
    )
    with warnings.catch_warnings():
        # Pact never closes the socket at which it is told of states.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            verifier.verify()
        except RuntimeError:
            return verifier.output(strip_ansi=True)
        finally:
            del verifier
            gc.collect()
    return None


def _await_money(client: BillingClient, customer_id: str) -> None:
    deadline = time.monotonic() + FINAL_SECONDS
    while not client.paid_cents(customer_id):
        assert time.monotonic() < deadline
        time.sleep(LOOK_AGAIN_SECONDS)
