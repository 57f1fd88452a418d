"""The text of an API key: `hk_<live|test>_` + 32 random base62 characters + 6 check characters.

The check is the CRC32 of all that stands before it, in base62, so that a mistyped or truncated
key is refused without asking the database, and a secret scanner can tell a key from noise.
"""

import hashlib
import zlib
from enum import StrEnum
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RANDOM_LENGTH: Final = 32
CHECK_LENGTH: Final = 6
_PREFIX_LENGTH: Final = 8


class KeyMode(StrEnum):
    TEST = "test"
    """The gateway is simulated."""
    LIVE = "live"


def compose(mode: KeyMode, random_part: str) -> str:
    """The key's text for `random_part`, RANDOM_LENGTH characters of ALPHABET (190 bits)."""
    body = f"hk_{mode}_{random_part}"
    return body + _check(body)


def mode_of(text: str) -> KeyMode | None:
    """The mode of a well-formed key; None when `text` is not one."""
    for mode in KeyMode:
        head = f"hk_{mode}_"
        if text.startswith(head) and len(text) == len(head) + RANDOM_LENGTH + CHECK_LENGTH:
            body, check = text[:-CHECK_LENGTH], text[-CHECK_LENGTH:]
            alphabetic = all(character in ALPHABET for character in body[len(head) :])
            return mode if alphabetic and _check(body) == check else None
    return None


def prefix(text: str) -> str:
    """The public part, for example "hk_test_4fT9aQ2z"."""
    return text[: text.rindex("_") + 1 + _PREFIX_LENGTH]


def digest(text: str) -> bytes:
    """SHA-256. A random secret of 190 bits needs no slow hash."""
    return hashlib.sha256(text.encode()).digest()


def _check(body: str) -> str:
    value = zlib.crc32(body.encode("ascii", "replace"))
    characters = []
    for _ in range(CHECK_LENGTH):
        value, remainder = divmod(value, len(ALPHABET))
        characters.append(ALPHABET[remainder])
    return "".join(reversed(characters))
