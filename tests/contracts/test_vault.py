"""What `application/ports/vault.py` promises."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.vault import AesGcmVault
from application.ports.vault import CannotOpen, Vault

VAULT: Vault = AesGcmVault(b"a secret of the tests, long enough for anyone")
OTHER: Vault = AesGcmVault(b"another secret of the tests, as long as that")


@given(st.binary(), st.binary())
def test_what_was_sealed_opens_with_the_same_context(plaintext: bytes, context: bytes) -> None:
    assert VAULT.open(VAULT.seal(plaintext, context), context) == plaintext


@given(st.binary(), st.binary(), st.binary())
def test_it_does_not_open_with_another_context(
    plaintext: bytes, context: bytes, other: bytes
) -> None:
    assume(context != other)
    with pytest.raises(CannotOpen):
        VAULT.open(VAULT.seal(plaintext, context), other)


@given(st.binary())
def test_it_does_not_open_with_another_secret(plaintext: bytes) -> None:
    with pytest.raises(CannotOpen):
        OTHER.open(VAULT.seal(plaintext, b""), b"")


@given(st.binary(max_size=40), st.data())
def test_no_changed_byte_goes_unnoticed(plaintext: bytes, data: st.DataObject) -> None:
    sealed = bytearray(VAULT.seal(plaintext, b""))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotOpen):
        VAULT.open(bytes(sealed), b"")


@given(st.binary(max_size=40), st.data())
def test_what_was_cut_short_does_not_open(plaintext: bytes, data: st.DataObject) -> None:
    sealed = VAULT.seal(plaintext, b"")
    with pytest.raises(CannotOpen):
        VAULT.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))], b"")


@given(st.binary())
def test_noise_does_not_open(noise: bytes) -> None:
    for sealed in (noise, b"\x01" + noise):
        with pytest.raises(CannotOpen):
            VAULT.open(sealed, b"")


@given(st.binary(min_size=8))
def test_sealing_twice_gives_different_bytes_and_shows_nothing(plaintext: bytes) -> None:
    one, other = VAULT.seal(plaintext, b""), VAULT.seal(plaintext, b"")
    assert one != other
    assert plaintext not in one


def test_bytes_sealed_by_an_earlier_release_open() -> None:
    """Secrets are replayed for a day, across an upgrade too."""
    sealed = "01da046f7c6546661face01fe7dfd8907dc8daf67b250611dba36c7581fc8fdf76fb631b1a988845"
    assert VAULT.open(bytes.fromhex(sealed), b"merchant and key") == b"hk_test_..."
