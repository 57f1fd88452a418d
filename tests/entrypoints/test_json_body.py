"""Reading JSON: one meaning or none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.json_body import MAX_DIGITS, MAX_NESTING, MalformedJson, parse_json

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**MAX_DIGITS) + 1, 10**MAX_DIGITS - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


@given(values.filter(lambda value: _depth(value) <= MAX_NESTING), st.booleans(), st.booleans())
def test_what_json_writes_is_read_as_it_was(value: Any, ascii_only: bool, indented: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=2 if indented else None)
    read = parse_json(text.encode())
    assert read == value
    assert repr(read) == repr(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = parse_json(data)
    except MalformedJson:
        return
    assert value == json.loads(data.decode())


@given(st.text('[]{}",:\\u0123456789eE+-.truefalsn \n', max_size=40))
def test_almost_json_is_read_or_refused(text: str) -> None:
    try:
        value = parse_json(text.encode())
    except MalformedJson:
        return
    assert repr(value) == repr(json.loads(text))


@given(texts, values, values)
def test_a_name_that_comes_twice_is_refused(name: str, first: Any, second: Any) -> None:
    pair = f"{json.dumps(name)}: {json.dumps(first)}, {json.dumps(name)}: {json.dumps(second)}"
    for text in (f"{{{pair}}}", f'{{"deep": [{{{pair}}}]}}'):
        with pytest.raises(MalformedJson):
            parse_json(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "}", "[1,]", '{"a":1,}', "{'a':1}", "{a:1}", '{"a" 1}', "[1 2]", "1 2"),
        *("nul", "True", "undefined", "NaN", "Infinity", "-Infinity", "[NaN]", "+1", "01", "-01"),
        *("1.", ".5", "1e", "1e400", "-1e400", "0x1", "1_0", "--1", "9" * 20, "-" + "9" * 20),
        *('"', '"\\x41"', '"\\u12"', '"\n"', '"\t"', '"\0"', "'a'", "//", "/**/1", "1//"),
        *('"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '{"\\ud800": 1}', '[["\\udfff"]]'),
        *("\ufeff1", '{"a":1,"\\u0061":2}', "[" * 17 + "]" * 17, '{"a":' * 17 + "1" + "}" * 17),
        *("[" * 60_000, "[" * 30_000 + "]" * 30_000, '{"a":' * 12_000),
    ],
)
def test_what_two_parsers_could_read_differently_is_refused(text: str) -> None:
    with pytest.raises(MalformedJson):
        parse_json(text.encode())


@pytest.mark.parametrize(
    "data",
    [b"\xff", b'"\xed\xa0\x80"', b'"\xc0\x80"', b'"\xf5\x80\x80\x80"', '"é"'.encode("latin-1")]
    + ['{"a": 1}'.encode(encoding) for encoding in ("utf-16", "utf-32", "utf-8-sig", "utf-16-le")],
)
def test_what_is_not_utf_8_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse_json(data)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[" * 16 + "]" * 16, None),
        ('"[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 28),
        ('"\\"[[[[[[[[[[[[[[[[[[[[\\\\"', '"' + "[" * 20 + "\\"),
        ('["\\\\", [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]', None),
        ("9" * 19, 10**19 - 1),
        ("-" + "9" * 19, 1 - 10**19),
        ("-0", 0),
        ("1e308", 1e308),
        ("1e-400", 0.0),
        ('"\\ud83d\\ude00"', "😀"),
        (' \t\r\n{"a" : [ ] } \n', {"a": []}),
    ],
)
def test_what_is_at_the_limit_is_read(text: str, value: object) -> None:
    read = parse_json(text.encode())
    assert value is None or read == value


def test_a_refusal_says_where_and_never_what() -> None:
    with pytest.raises(MalformedJson, match="line 2, column 8") as refused:
        parse_json(b'{\n"a": 1 "s3cret"}')
    assert "s3cret" not in str(refused.value)
