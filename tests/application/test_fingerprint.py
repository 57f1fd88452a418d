"""Which requests are the same request."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from application.fingerprint import VERSION, digest_of, fingerprint
from tests.examples import ROUTE, texts

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts(max_size=8)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
bodies = st.dictionaries(texts(max_size=8), values, max_size=5)


def as_text(value: object) -> str:
    """JSON text that is equal exactly for equal JSON values (True is not 1)."""
    return json.dumps(value, sort_keys=True)


def turned_around(value: object) -> object:
    """The same JSON value with the members of every object in the opposite order."""
    match value:
        case dict():
            return {name: turned_around(value[name]) for name in reversed(value)}
        case list():
            return [turned_around(item) for item in value]
        case _:
            return value


@given(bodies)
def test_the_order_of_members_does_not_count_at_any_depth(body: dict[str, object]) -> None:
    other = turned_around(body)
    assert isinstance(other, dict)
    assert fingerprint(ROUTE, other) == fingerprint(ROUTE, body)


@given(bodies, st.sampled_from([None, 0, 3]))
def test_white_space_does_not_count(body: dict[str, object], indent: int | None) -> None:
    sent_again = json.loads(json.dumps(body, indent=indent, separators=(" ,", " : ")))
    assert fingerprint(ROUTE, sent_again) == fingerprint(ROUTE, body)


@given(bodies, bodies)
def test_two_bodies_share_a_digest_only_if_they_are_the_same_value(
    one: dict[str, object], other: dict[str, object]
) -> None:
    same = as_text(one) == as_text(other)
    assert (fingerprint(ROUTE, one).digest == fingerprint(ROUTE, other).digest) == same


@given(bodies)
def test_the_digest_alone_is_that_of_the_fingerprint(body: dict[str, object]) -> None:
    assert digest_of(ROUTE, body) == fingerprint(ROUTE, body).digest


@given(bodies, st.data())
def test_any_one_changed_value_changes_the_digest(
    body: dict[str, object], data: st.DataObject
) -> None:
    assume(body)
    name = data.draw(st.sampled_from(sorted(body)))
    value = data.draw(values)
    assume(as_text(value) != as_text(body[name]))
    assert fingerprint(ROUTE, body | {name: value}).digest != fingerprint(ROUTE, body).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 0}, {"a": False}),
        ({"a": None}, {}),
        ({"a": ""}, {"a": None}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [1, 2]}, {"a": [[1], 2]}),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ({"a": {"b": 1}}, {"b": {"a": 1}}),
        ({"a": '","b":"'}, {"a": "", "b": ""}),
        ({"é": 1}, {"e\u0301": 1}),
    ],
)
def test_values_that_only_look_alike_are_different(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert fingerprint(ROUTE, one).digest != fingerprint(ROUTE, other).digest


@given(bodies, st.sampled_from(["POST /v1/orders/", "POST /v1/api-keys", "PUT /v1/orders"]))
def test_another_route_is_another_request(body: dict[str, object], route: str) -> None:
    one, other = fingerprint(ROUTE, body), fingerprint(route, body)
    assert one.digest != other.digest
    assert one.differing(other) == ()


@given(bodies, bodies)
def test_the_members_that_differ_are_named_exactly(
    one: dict[str, object], other: dict[str, object]
) -> None:
    nothing = object()

    def differs(name: str) -> bool:
        a, b = one.get(name, nothing), other.get(name, nothing)
        return a is nothing or b is nothing or as_text(a) != as_text(b)

    meant = tuple(sorted(name for name in one.keys() | other.keys() if differs(name)))
    assert fingerprint(ROUTE, one).differing(fingerprint(ROUTE, other)) == meant
    assert fingerprint(ROUTE, other).differing(fingerprint(ROUTE, one)) == meant


def test_a_fingerprint_keeps_no_values() -> None:
    kept = fingerprint(ROUTE, {"description": "surgery"})
    assert len(kept.digest) == 32
    assert set(json.loads(kept.members)) == {"description"}
    assert "surgery" not in repr(kept)


def test_the_computation_is_pinned_to_its_version() -> None:
    """Stored fingerprints outlive a release: whoever changes these has to raise VERSION."""
    found = fingerprint(ROUTE, {"amount_cents": 1999, "currency": "EUR", "metadata": {"ü": None}})
    assert VERSION == 1
    assert found.digest.hex() == (
        "5d1150cafafe26dfc95ce2b626ec796535df525b77f6066aead98ae7b8f5a4b2"
    )
    assert found.members == (
        '{"amount_cents":"a3a6ba5a","currency":"b31a36b0","metadata":"92b252ee"}'
    )
