"""An API key's text: what a typing mistake or a cut-off paste looks like is refused."""

import string

from hypothesis import assume, given
from hypothesis import strategies as st

from domain.api_key_text import (
    ALPHABET,
    CHECK_LENGTH,
    RANDOM_LENGTH,
    KeyMode,
    compose,
    digest,
    mode_of,
    prefix,
)

random_parts = st.text(ALPHABET, min_size=RANDOM_LENGTH, max_size=RANDOM_LENGTH)
keys = st.builds(compose, st.sampled_from(KeyMode), random_parts)


@given(st.sampled_from(KeyMode), random_parts)
def test_a_composed_key_is_read_back(mode: KeyMode, random_part: str) -> None:
    text = compose(mode, random_part)
    assert mode_of(text) is mode
    assert text.startswith(f"hk_{mode}_{random_part}")
    assert len(text) == len(f"hk_{mode}_") + RANDOM_LENGTH + CHECK_LENGTH


def test_the_alphabet_is_base62() -> None:
    assert set(ALPHABET) == {*string.digits, *string.ascii_letters}
    assert len(ALPHABET) == 62


@given(keys, st.data())
def test_any_one_changed_character_is_refused(key: str, data: st.DataObject) -> None:
    # CRC32 finds every error of at most 32 bits in a row, so every single character.
    place = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "_-") | st.characters())
    assume(other != key[place])
    assert mode_of(key[:place] + other + key[place + 1 :]) is None


@given(keys, st.data())
def test_two_neighbours_that_changed_places_are_refused(key: str, data: st.DataObject) -> None:
    last = len(key) - CHECK_LENGTH - 2
    place = data.draw(st.integers(0, last) | st.integers(last + 2, len(key) - 2))
    assume(key[place] != key[place + 1])
    assert mode_of(key[:place] + key[place + 1] + key[place] + key[place + 2 :]) is None


@given(keys, st.data())
def test_a_key_cut_short_at_either_end_is_refused(key: str, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(key) - 1))
    assert mode_of(key[:length]) is None
    assert mode_of(key[len(key) - length :]) is None


@given(keys, st.text(min_size=1, max_size=3))
def test_a_key_with_something_around_it_is_refused(key: str, extra: str) -> None:
    assert mode_of(key + extra) is None
    assert mode_of(extra + key) is None


@given(random_parts)
def test_a_test_key_does_not_pass_for_a_live_one(random_part: str) -> None:
    key = compose(KeyMode.TEST, random_part)
    assert mode_of(key.replace("hk_test_", "hk_live_", 1)) is None


@given(st.text(max_size=60))
def test_noise_is_no_key(noise: str) -> None:
    assert mode_of(noise) is None


@given(keys)
def test_the_prefix_shows_eight_random_characters_and_never_the_check(key: str) -> None:
    assert key.startswith(prefix(key))
    assert len(prefix(key)) == len("hk_test_") + 8


@given(keys, keys)
def test_the_digest_is_32_bytes_and_tells_keys_apart(one: str, other: str) -> None:
    assert len(digest(one)) == 32
    assert (digest(one) == digest(other)) == (one == other)


def test_keys_of_today_are_read_tomorrow() -> None:
    zeros = "hk_test_" + "0" * 32
    assert compose(KeyMode.TEST, "0" * 32) == zeros + "2rUMfE"
    assert mode_of(zeros + "2rUMfE") is KeyMode.TEST
