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
    texts = {name: _canonical(value) for name, value in sorted(body.items())}
    lines = [f"\n{encode_basestring(name)}:{text}" for name, text in texts.items()]
    return Fingerprint(
        version=VERSION,
        digest=sha256((route + "".join(lines)).encode()).digest(),
        members={
            name: blake2b(text.encode(), digest_size=_MEMBER_HASH_BYTES).hexdigest()
            for name, text in texts.items()
        },
    )


def _canonical(value: object) -> str:
    # Most members are strings and integers, for which no encoder need be made.
    if type(value) is str:
        return encode_basestring(value)
    return str(value) if type(value) is int else _ENCODER.encode(value)
