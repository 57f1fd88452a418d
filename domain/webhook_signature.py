"""Signatures of webhooks, and the text of the secrets they are made with.

Standard Webhooks 1.0.0:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

PREFIX: Final = "whsec_"
VERSION: Final = "v1"
SECRET_BYTES: Final = 32
"""Of a new secret. As long as the hash: HMAC gains nothing from more (RFC 2104, section 3)."""
MIN_SECRET_BYTES: Final = 24
MAX_SECRET_BYTES: Final = 64


def compose_secret(random_bytes: bytes) -> str:
    """The text of a secret: "whsec_" and the base64 of SECRET_BYTES random bytes."""
    if len(random_bytes) != SECRET_BYTES:
        raise ValueError(f"A new secret is made of {SECRET_BYTES} bytes.")
    return PREFIX + _base64(random_bytes)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """ "v1," and the base64 of an HMAC-SHA256. `timestamp` is Unix seconds.

    `message_id` holds no full stop: the signed text would have two readings.
    Raises ValueError for what is not the text of a secret; the message does not show it.
    """
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    return f"{VERSION},{_base64(hmac.digest(_key(secret), signed, hashlib.sha256))}"


def signature_header(secrets: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`: one signature for each secret, with spaces between. Who
    receives it accepts any one of them, which lets a secret be changed without a pause."""
    return " ".join(sign(secret, message_id, timestamp, body) for secret in secrets)


def is_signed(secret: str, message_id: str, timestamp: int, body: bytes, header: str) -> bool:
    """Whether one of the signatures in the header is of this secret, in constant time. How old the
    timestamp may be is for the receiver to say. Raises ValueError as `sign` does."""
    expected = sign(secret, message_id, timestamp, body)
    given = [each for each in header.split(" ") if each.isascii()]
    return sum(hmac.compare_digest(expected, each) for each in given) > 0


def _key(secret: str) -> bytes:
    key = _decoded(secret.removeprefix(PREFIX)) if secret.startswith(PREFIX) else b""
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError("It is not the text of a webhook secret.")
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
