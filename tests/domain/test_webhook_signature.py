"""Signatures of webhooks: the public vector, and what any secret and body give."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.webhook_signature import SECRET_BYTES, compose_secret, sign, signature_header

# https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/python/tests
MESSAGE_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

secrets = st.builds(compose_secret, st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))


def test_the_vector_of_standard_webhooks() -> None:
    assert sign(SECRET, MESSAGE_ID, TIMESTAMP, BODY) == SIGNATURE


@pytest.mark.parametrize(
    ("message_id", "timestamp", "body"),
    [
        ("msg_p5jXN8AQM9LWM0D4loKWxJel", TIMESTAMP, BODY),
        (MESSAGE_ID, TIMESTAMP + 1, BODY),
        (MESSAGE_ID, TIMESTAMP, BODY + b"\n"),
        (MESSAGE_ID, TIMESTAMP, b'{"test":2432232314}'),
    ],
)
def test_everything_signed_changes_the_signature(
    message_id: str, timestamp: int, body: bytes
) -> None:
    assert sign(SECRET, message_id, timestamp, body) != SIGNATURE


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_secret_is_its_bytes_in_base64_behind_a_prefix(random_bytes: bytes) -> None:
    prefix, _, encoded = compose_secret(random_bytes).partition("_")
    assert prefix == "whsec"
    assert base64.b64decode(encoded, validate=True) == random_bytes


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_new_secret_has_exactly_its_size(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        compose_secret(bytes(size))


@given(st.lists(secrets, max_size=3), st.binary())
def test_each_secret_gives_a_signature_in_its_place(given_secrets: list[str], body: bytes) -> None:
    value = signature_header(given_secrets, MESSAGE_ID, TIMESTAMP, body)
    assert value.split() == [sign(one, MESSAGE_ID, TIMESTAMP, body) for one in given_secrets]
    assert "  " not in value


@given(secrets, secrets, st.binary())
def test_another_secret_gives_another_signature(one: str, other: str, body: bytes) -> None:
    same = sign(one, MESSAGE_ID, TIMESTAMP, body) == sign(other, MESSAGE_ID, TIMESTAMP, body)
    assert same == (one == other)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_secrets_of_24_to_64_bytes_are_accepted(size: int) -> None:
    secret = "whsec_" + base64.b64encode(bytes(size)).decode()
    assert sign(secret, MESSAGE_ID, TIMESTAMP, BODY).startswith("v1,")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        "whsec_whsec_" + SECRET.removeprefix("whsec_"),
        "WHSEC_" + SECRET.removeprefix("whsec_"),
        SECRET + "\n",
        SECRET[:-1],
        SECRET[:-1] + "é",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="not the text of a webhook secret") as raised:
        sign(text, MESSAGE_ID, TIMESTAMP, BODY)
    assert not text or text not in str(raised.value)
