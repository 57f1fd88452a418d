"""The text of an API key: `hk_<live|test>_` + 32 random base62 characters + 6 check characters.

The check is the CRC32 of all that stands before it, in base62, so that a mistyped or truncated
key is refused without asking the database, and a secret scanner can tell a key from noise.
"""

import hashlib
import re
import zlib
from enum import StrEnum
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH: Final = 32
CHECK_LENGTH: Final = 6
_PREFIX_LENGTH: Final = 8
_PAIRS: Final = [high + low for high in ALPHABET for low in ALPHABET]
"""The digits of base 62², so that the check takes half as many divisions."""


class KeyMode(StrEnum):
    TEST = "test"
    """The gateway is simulated."""
    LIVE = "live"


_SHAPE: Final = re.compile(
    rf"(?P<body>hk_(?P<mode>{'|'.join(KeyMode)})_[0-9A-Za-z]{{{RANDOM_LENGTH}}})"
    rf"(?P<check>[0-9A-Za-z]{{{CHECK_LENGTH}}})"
)


def compose(mode: KeyMode, random_part: str) -> str:
    """The key's text for `random_part`, RANDOM_LENGTH characters of ALPHABET (190 bits)."""
    body = f"hk_{mode}_{random_part}"
    return body + _check(body)


def mode_of(text: str) -> KeyMode | None:
    """The mode of a well-formed key; None when `text` is not one."""
    found = _SHAPE.fullmatch(text)
    if found is None or _check(found["body"]) != found["check"]:
        return None
    return KeyMode(found["mode"])


def prefix(text: str) -> str:
    """The public part, for example "hk_test_4fT9aQ2z"."""
    return text[: text.rindex("_") + 1 + _PREFIX_LENGTH]


def digest(text: str) -> bytes:
    """SHA-256. A random secret of 190 bits needs no slow hash."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _check(body: str) -> str:
    value = zlib.crc32(body.encode("ascii", "replace"))
    pairs = []
    for _ in range(CHECK_LENGTH // 2):
        value, remainder = divmod(value, len(_PAIRS))
        pairs.append(_PAIRS[remainder])
    return "".join(reversed(pairs))
