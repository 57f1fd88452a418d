"""What makes two requests the same request: the route and the JSON value of the body."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from json.encoder import encode_basestring
from typing import Final

VERSION: Final = 1
"""Kept with each fingerprint. When the computation below has to change, the old one stays beside
it for the keys that have the old version: digests of two versions do not compare."""

_MEMBER_HASH_BYTES: Final = 4
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """`digest` is SHA-256 (32 bytes) over route and body. `members` has 8 hexadecimal digits for
    each top-level member, so that a refusal can name what differs without keeping values."""

    version: int
    digest: bytes
    members: Mapping[str, str]

    def differing(self, other: "Fingerprint") -> tuple[str, ...]:
        """The names of the members that are not the same in both, sorted."""
        names = self.members.keys() | other.members.keys()
        return tuple(
            sorted(name for name in names if self.members.get(name) != other.members.get(name))
        )


def fingerprint(route: str, body: Mapping[str, object]) -> Fingerprint:
    """`route` is method and path; `body` the parsed JSON object before defaults are filled in.

    The order of members and white space do not count; any other difference does.
    """
    texts = [(name, _canonical(value)) for name, value in sorted(body.items())]
    whole = b"".join([b"\n%b:%b" % (_canonical(name), text) for name, text in texts])
    return Fingerprint(
        version=VERSION,
        digest=sha256(route.encode() + whole).digest(),
        members={name: _short_hash(text) for name, text in texts},
    )


def _canonical(value: object) -> bytes:
    # Most members are strings and integers, which need no encoder made for them.
    if type(value) is str:
        return encode_basestring(value).encode()
    if type(value) is int:
        return b"%d" % value
    return _ENCODER.encode(value).encode()


def _short_hash(value: bytes) -> str:
    return blake2b(value, digest_size=_MEMBER_HASH_BYTES).hexdigest()
