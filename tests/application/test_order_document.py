"""The one public JSON document of an order."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given

from application.json_text import render, rfc3339
from application.order_document import order_document
from domain.order import Failure, Order
from tests.examples import a_placement, ids, moments, orders

MERCHANT = ids.new()


@given(orders(MERCHANT))
def test_the_text_is_json_of_exactly_the_document(order: Order) -> None:
    document = order_document(order)
    assert json.loads(render(document)) == document


@given(orders(MERCHANT))
def test_nothing_internal_is_in_it(order: Order) -> None:
    text = render(order_document(replace(order, idempotency_key="internal-9f2b"))).decode()
    assert "internal-9f2b" not in text
    assert str(order.merchant_id) not in text


def test_a_failure_shows_code_and_message() -> None:
    order = a_placement().order
    assert order_document(order)["failure"] is None
    failed = replace(order, failure=Failure(code="card_declined", message="No."))
    assert order_document(failed)["failure"] == {"code": "card_declined", "message": "No."}


@given(moments)
def test_a_moment_is_written_exactly(moment: datetime) -> None:
    text = rfc3339(moment)
    assert datetime.fromisoformat(text) == moment
    assert len(text) == len("2026-11-21T02:17:39.000120Z")


@pytest.mark.parametrize("text", ["2026-11-21T02:17:39.000000Z", "0987-01-01T00:00:00.000001Z"])
def test_a_moment_always_has_six_decimals(text: str) -> None:
    assert rfc3339(datetime.fromisoformat(text).astimezone(UTC)) == text
