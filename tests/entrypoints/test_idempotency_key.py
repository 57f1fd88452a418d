"""The Idempotency-Key header: which texts are keys, and which key."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.dependencies import MAX_KEY_LENGTH, parse_idempotency_key
from entrypoints.http.problems import Refused

VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
keys = st.text(VISIBLE, min_size=1, max_size=MAX_KEY_LENGTH)


def _quoted(key: str) -> str:
    """A structured string (RFC 8941)."""
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refused(text: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_idempotency_key(text)
    assert refusal.value.code == "idempotency_key_invalid"


@given(keys.filter(lambda key: not (len(key) > 1 and key[0] == key[-1] == '"')))
def test_visible_ascii_is_a_key(key: str) -> None:
    assert parse_idempotency_key(key) == key


@given(keys)
def test_a_quoted_key_is_the_same_key(key: str) -> None:
    assert parse_idempotency_key(_quoted(key)) == key


@given(st.text())
def test_every_other_text_is_refused(text: str) -> None:
    try:
        key = parse_idempotency_key(text)
    except Refused:
        return
    assert 1 <= len(key) <= MAX_KEY_LENGTH
    assert set(key) <= set(VISIBLE)
    assert text in (key, _quoted(key))


@pytest.mark.parametrize(("length", "fits"), [(1, True), (254, True), (255, True), (256, False)])
def test_a_key_has_at_most_255_characters_however_it_is_written(length: int, fits: bool) -> None:
    for key in ("k" * length, '"' * (length - 1) + "k", "\\" * length):
        for text in (key, _quoted(key)):
            if fits:
                assert parse_idempotency_key(text) == key
            else:
                _refused(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", '""', " ", " a", "a ", "a b", '"a b"', '" "', "a\tb", "a\nb", "\0", "\x7f", "a\x1f"),
        *("é", '"é"', "ａ", "€", "\u200b", "\ud800", '"a"b"', '"a\\"', '"\\a"', '"\\"', "k" * 256),
        *('"a" ', ' "a"', '"a";p=1 x', string.printable),
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    _refused(text)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('"', '"'),
        ('"a', '"a'),
        ('a"', 'a"'),
        ("\\", "\\"),
        ('"\\""', '"'),
        ('"\\\\"', "\\"),
        ("'a'", "'a'"),
        ('"a";p=1', '"a";p=1'),
        ("a,b", "a,b"),
        ("%22a%22", "%22a%22"),
    ],
)
def test_quotes_and_backslashes_mean_one_thing(text: str, key: str) -> None:
    assert parse_idempotency_key(text) == key
