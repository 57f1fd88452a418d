"""What makes two requests the same request: the route and the JSON value of the body."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b, sha256
from json.encoder import encode_basestring
from typing import Final

from domain.quick import quick

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


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """`digest` is SHA-256 (32 bytes) over route and body. `members` is JSON text: 8 hexadecimal
    digits for each top-level member, so that a refusal can name what differs without keeping
    values. It is stored as it is, and read only for a refusal."""

    version: int
    digest: bytes
    members: str

    def differing(self, other: "Fingerprint") -> tuple[str, ...]:
        """The names of the members that are not the same in both, sorted."""
        mine, others = json.loads(self.members), json.loads(other.members)
        names = mine.keys() | others.keys()
        return tuple(sorted(name for name in names if mine.get(name) != others.get(name)))


def fingerprint(route: str, body: Mapping[str, object]) -> Fingerprint:
    """`route` is method and path; `body` the parsed JSON object before defaults are filled in.

    The order of members and white space do not count; any other difference does.
    """
    lines, members = [], []
    for name in sorted(body):
        quoted, text = encode_basestring(name), _canonical(body[name])
        lines.append(f"\n{quoted}:{text}")
        hashed = blake2b(text.encode(), digest_size=_MEMBER_HASH_BYTES).hexdigest()
        members.append(f'{quoted}:"{hashed}"')
    return Fingerprint(
        version=VERSION,
        digest=_digest(route, lines),
        members=f"{{{','.join(members)}}}",
    )


def digest_of(route: str, body: Mapping[str, object]) -> bytes:
    """The digest of the fingerprint alone, at half its price: a repeat needs no more."""
    lines = [f"\n{encode_basestring(name)}:{_canonical(body[name])}" for name in sorted(body)]
    return _digest(route, lines)


def _digest(route: str, lines: list[str]) -> bytes:
    return sha256(f"{route}{''.join(lines)}".encode()).digest()


def _canonical(value: object) -> str:
    # What most members are is written here: the encoder makes a new one of itself for each value.
    if type(value) is str:
        return encode_basestring(value)
    if type(value) is dict:
        return _canonical_object(value)
    return str(value) if type(value) is int else _ENCODER.encode(value)


def _canonical_object(value: dict[str, object]) -> str:
    members = [f"{encode_basestring(name)}:{_canonical(value[name])}" for name in sorted(value)]
    return f"{{{','.join(members)}}}"
