"""The wire models say what the documents are."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from application.api_key_document import api_key_document, new_api_key_document
from application.json_text import render
from application.order_document import order_document
from domain.merchant import ALL_SCOPES
from domain.money import MINOR_UNIT_EXPONENTS
from domain.order import CaptureMethod, Order, OrderStatus
from entrypoints.http.wire.api_keys import (
    ApiKeyIn,
    ApiKeyOut,
    ApiKeyWithSecretOut,
    IdempotencyKeyOut,
    RotateApiKeyIn,
)
from entrypoints.http.wire.orders import OrderIn, OrderOut, OrderQuery
from tests.examples import a_new_key, orders
from tests.journeys.api import an_order

MERCHANT = UUID("01900000-0000-7000-8000-000000000001")
VISA = "4242424242424242"
AMEX = "378282246310005"
MAESTRO = "6759649826438453"
SHORT_MAESTRO = "500000000009"


def _without_controls(text: str) -> str:
    return "".join(each for each in text if each >= " " and each != "\x7f")


@st.composite
def placed_orders(draw: st.DrawFn) -> Order:
    """Orders as the API lets them in; the table takes more."""
    order = draw(orders(MERCHANT))
    request = order.request
    method = request.payment_method
    return replace(
        order,
        request=replace(
            request,
            customer_id=_without_controls(request.customer_id) or "cus_42",
            invoice_id=_without_controls(request.invoice_id or "") or None,
            payment_method=None if method is None else "sim_approve",
            metadata={
                key: value.replace("\0", "")[:500]
                for given, value in request.metadata.items()
                if (key := _without_controls(given)[:40])
            },
        ),
    )


@given(placed_orders())
def test_an_order_document_has_the_members_of_the_model_and_their_types(order: Any) -> None:
    document = order_document(order)
    assert list(document) == list(OrderOut.model_fields)
    model = OrderOut.model_validate_json(render(document), strict=True)
    again = model.model_dump(mode="json")
    for moment in ("created_at", "updated_at"):
        assert datetime.fromisoformat(str(again.pop(moment))) == getattr(order, moment)
        assert str(document.pop(moment)).endswith("Z")
    assert again == document


def test_an_api_key_document_has_the_members_of_the_model() -> None:
    new = a_new_key(MERCHANT)
    shown = api_key_document(new.key)
    assert set(shown) == set(ApiKeyOut.model_fields)
    ApiKeyOut.model_validate_json(render(shown), strict=True)
    once = new_api_key_document(new.key, new.text)
    assert set(once) == set(ApiKeyWithSecretOut.model_fields)
    ApiKeyWithSecretOut.model_validate_json(render(once), strict=True)


@pytest.mark.parametrize("model", [OrderOut, ApiKeyOut, ApiKeyWithSecretOut, IdempotencyKeyOut])
def test_every_member_of_an_answer_is_required(model: type[BaseModel]) -> None:
    schema = model.model_json_schema(mode="serialization")
    assert set(schema["required"]) == set(model.model_fields)


def test_the_models_know_every_status_and_scope() -> None:
    named = OrderOut.model_json_schema()["$defs"]
    assert set(named["OrderStatus"]["enum"]) == {str(status) for status in OrderStatus}
    assert set(named["CaptureMethod"]["enum"]) == {str(method) for method in CaptureMethod}
    for model in (ApiKeyIn, ApiKeyOut):
        scopes = model.model_json_schema()["$defs"]["Scope"]["enum"]
        assert set(scopes) == {str(scope) for scope in ALL_SCOPES}


@given(orders(MERCHANT))
def test_the_risk_score_is_nowhere(order: Any) -> None:
    assert "risk" not in str(list(order_document(order)))


def _spellings(number: str) -> list[str]:
    """However somebody may type a card number."""
    fours = [number[start : start + 4] for start in range(0, len(number), 4)]
    joints = (" ", "-", ".", "/", "  ", " - ")
    return [
        number,
        *(joint.join(fours) for joint in joints),
        *(joint.join(number) for joint in (" ", "-")),
        f" {number}",
        f"{number} ",
        f"-{number}-",
    ]


@pytest.mark.parametrize("number", [VISA, AMEX, MAESTRO, SHORT_MAESTRO, "4242424242424242428"])
def test_a_card_number_is_refused_in_every_spelling(number: str) -> None:
    for spelling in _spellings(number):
        with pytest.raises(ValidationError) as refused:
            OrderIn.model_validate(an_order(payment_method=spelling))
        (error,) = refused.value.errors()
        assert error["type"] == "card_number_refused"
        assert error["loc"] == ("payment_method",)
        assert number not in str(refused.value)


@given(st.text("0123456789", min_size=11, max_size=18))
def test_any_number_that_a_card_could_have_is_refused(digits: str) -> None:
    total = sum(
        sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(digits[::-1])
    )
    number = f"{digits}{-total % 10}"
    with pytest.raises(ValidationError):
        OrderIn.model_validate(an_order(payment_method=number))


@pytest.mark.parametrize(
    "token", ["sim_approve", "tok_4242", "4242424242424241", "123", "pm_1N4242424242424242"]
)
def test_a_token_is_no_card_number(token: str) -> None:
    assert OrderIn.model_validate(an_order(payment_method=token)).payment_method == token


@pytest.mark.parametrize("currency", sorted(MINOR_UNIT_EXPONENTS))
def test_every_real_currency_is_taken(currency: str) -> None:
    request = OrderIn.model_validate(an_order(currency=currency)).to_request()
    assert request.amount.currency == currency


def test_an_order_without_its_optional_members_has_their_defaults() -> None:
    request = OrderIn.model_validate(an_order()).to_request()
    assert request.capture_method is CaptureMethod.AUTOMATIC
    assert (request.invoice_id, request.description, request.payment_method) == (None, None, None)
    assert request.metadata == {}


def test_a_moment_in_a_query_is_utc_to_the_microsecond() -> None:
    expected = datetime(2026, 11, 21, 2, 17, 39, 123456, tzinfo=UTC)
    for text in (
        "2026-11-21T02:17:39.123456Z",
        "2026-11-21t02:17:39.123456z",
        "2026-11-21T03:17:39.123456+01:00",
        "2026-11-20T14:47:39.123456-11:30",
        "2026-11-21T02:17:39.123456789Z",
    ):
        assert OrderQuery.model_validate({"created_after": text}).created_after == expected


def test_a_rotation_overlaps_for_a_day_unless_it_says_otherwise() -> None:
    assert RotateApiKeyIn().overlap_seconds == 86_400
    assert RotateApiKeyIn.model_validate({"overlap_seconds": 604_800}).overlap_seconds == 604_800
