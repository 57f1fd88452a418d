"""The one public JSON document of an order."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.json_text import json_object_text, json_text, render, rfc3339
from application.order_document import order_document, order_json
from domain.order import Order
from domain.payment import Failure
from tests.examples import a_placement, ids, moments, orders

MERCHANT = ids.new()


@given(orders(MERCHANT))
def test_the_text_is_json_of_exactly_the_document_as_all_json_is_written(order: Order) -> None:
    text = order_json(order)
    assert text.encode() == render(json.loads(text)) == render(order_document(order))


@given(orders(MERCHANT))
def test_the_document_has_the_orders_values(order: Order) -> None:
    request = order.request
    assert order_document(order) == {
        "id": str(order.id),
        "status": order.status.value,
        "customer_id": request.customer_id,
        "amount_cents": request.amount.amount_minor,
        "currency": request.amount.currency,
        "invoice_id": request.invoice_id,
        "description": request.description,
        "payment_method": request.payment_method,
        "capture_method": request.capture_method.value,
        "metadata": request.metadata,
        "amount_captured_cents": order.captured.amount_minor,
        "amount_refunded_cents": order.refunded.amount_minor,
        "failure": order.failure and {"code": order.failure.code, "message": order.failure.message},
        "version": order.version,
        "created_at": rfc3339(order.created_at),
        "updated_at": rfc3339(order.updated_at),
    }


def test_the_text_of_today_is_the_text_of_tomorrow() -> None:
    """It is stored: a replay answers the same bytes for ever."""
    order = a_placement().order
    assert order_json(order) == (
        f'{{"id":"{order.id}","status":"pending","customer_id":"acme","amount_cents":1999'
        ',"currency":"EUR","invoice_id":null,"description":null,"payment_method":null'
        ',"capture_method":"automatic","metadata":{"purchase order":"4711"}'
        ',"amount_captured_cents":0,"amount_refunded_cents":0,"failure":null,"version":1'
        ',"created_at":"2026-11-21T02:17:39.000120Z","updated_at":"2026-11-21T02:17:39.000120Z"}'
    )


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


@given(st.dictionaries(st.text(), st.text()))
def test_an_object_of_texts_is_written_as_any_other_value(texts: dict[str, str]) -> None:
    assert json_object_text(texts) == json_text(texts)


@given(moments)
def test_a_moment_is_written_exactly(moment: datetime) -> None:
    text = rfc3339(moment)
    assert datetime.fromisoformat(text) == moment
    assert len(text) == len("2026-11-21T02:17:39.000120Z")


@pytest.mark.parametrize("text", ["2026-11-21T02:17:39.000000Z", "0987-01-01T00:00:00.000001Z"])
def test_a_moment_always_has_six_decimals(text: str) -> None:
    assert rfc3339(datetime.fromisoformat(text).astimezone(UTC)) == text
