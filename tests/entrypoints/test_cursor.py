"""Cursors: what was issued is understood, and nothing else is."""

import string
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.pages import Position
from entrypoints.http.cursor import Cursors
from entrypoints.http.problems import Refused

MERCHANT = UUID("01900000-0000-7000-8000-000000000001")
ALPHABET = string.ascii_letters + string.digits + "-_"
cursors = Cursors(b"a secret")

moments = st.datetimes(timezones=st.just(UTC))
positions = st.builds(Position, moments, st.uuids())
filters = st.dictionaries(
    st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8), max_size=4
)
A_POSITION = Position(datetime(2026, 11, 21, 2, 17, 39, 120, tzinfo=UTC), MERCHANT)
A_CURSOR = cursors.encode(A_POSITION, MERCHANT, {"path": "/v1/orders"})


def _refused(
    text: str,
    merchant_id: UUID = MERCHANT,
    chosen: dict[str, object] | None = None,
    by: Cursors = cursors,
) -> None:
    with pytest.raises(Refused) as refusal:
        by.decode(text, merchant_id, {"path": "/v1/orders"} if chosen is None else chosen)
    assert refusal.value.code == "invalid_cursor"
    assert len(text) < 20 or text not in refusal.value.detail


@given(positions, st.uuids(), filters)
def test_what_was_issued_is_understood(
    position: Position, merchant_id: UUID, chosen: dict[str, object]
) -> None:
    text = cursors.encode(position, merchant_id, chosen)
    assert cursors.decode(text, merchant_id, chosen) == position
    assert len(text) == 54
    assert set(text) <= set(ALPHABET)


def test_no_microsecond_is_lost() -> None:
    seen = set()
    for microseconds in range(-3, 4):
        moment = A_POSITION.created_at + timedelta(microseconds=microseconds)
        text = cursors.encode(Position(moment, MERCHANT), MERCHANT, {})
        assert cursors.decode(text, MERCHANT, {}).created_at == moment
        seen.add(text)
    assert len(seen) == 7


def test_the_order_of_filters_does_not_matter() -> None:
    text = cursors.encode(A_POSITION, MERCHANT, {"a": 1, "b": 2})
    assert cursors.decode(text, MERCHANT, {"b": 2, "a": 1}) == A_POSITION


@pytest.mark.parametrize("place", range(len(A_CURSOR)))
def test_any_other_character_at_any_place_is_refused(place: int) -> None:
    for character in (*ALPHABET, "=", "+", "/", " ", "\0", "é", ""):
        if character != A_CURSOR[place]:
            _refused(A_CURSOR[:place] + character + A_CURSOR[place + 1 :])


@given(st.text(max_size=80) | st.text(ALPHABET, min_size=54, max_size=54))
def test_any_other_text_is_refused(text: str) -> None:
    _refused(text)


@pytest.mark.parametrize(
    "text", ["", A_CURSOR + "=", A_CURSOR + "==", A_CURSOR * 2, f" {A_CURSOR}", A_CURSOR[:-1]]
)
def test_another_length_is_refused(text: str) -> None:
    _refused(text)


@given(st.uuids().filter(lambda merchant_id: merchant_id != MERCHANT))
def test_another_merchant_is_refused(merchant_id: UUID) -> None:
    _refused(A_CURSOR, merchant_id)


@given(filters)
def test_other_filters_are_refused(chosen: dict[str, object]) -> None:
    _refused(A_CURSOR, chosen=chosen)
    _refused(A_CURSOR, chosen={"path": "/v1/orders", "status": "paid", **chosen})


def test_another_secret_is_refused() -> None:
    _refused(A_CURSOR, by=Cursors(b"another secret"))


def test_values_cannot_slip_from_one_filter_into_another() -> None:
    pairs: list[tuple[dict[str, object], dict[str, object]]] = [
        ({"a": "b", "c": "d"}, {"a": 'b", "c": "d'}),
        ({"a": "1"}, {"a": 1}),
        ({"a": None}, {}),
        ({"a": "null"}, {"a": None}),
    ]
    for issued, asked in pairs:
        text = cursors.encode(A_POSITION, MERCHANT, issued)
        _refused(text, chosen=asked)


def test_two_positions_have_two_cursors() -> None:
    many = {
        cursors.encode(Position(A_POSITION.created_at, uuid4()), MERCHANT, {}) for _ in range(99)
    }
    assert len(many) == 99
