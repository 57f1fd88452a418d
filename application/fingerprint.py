"""What makes two requests the same request: the route and the JSON value of the body."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
"""Kept with each fingerprint. When the computation below has to change, the old one stays beside
it for the keys that have the old version: digests of two versions do not compare."""

_MEMBER_HASH_BYTES: Final = 4


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
    members = {name: _canonical(value) for name, value in sorted(body.items())}
    whole = hashlib.sha256(route.encode())
    for name, value in members.items():
        whole.update(b"\n%b:%b" % (_canonical(name), value))
    return Fingerprint(
        version=VERSION,
        digest=whole.digest(),
        members={name: _short_hash(value) for name, value in members.items()},
    )


def _canonical(value: object) -> bytes:
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode()


def _short_hash(value: bytes) -> str:
    return hashlib.blake2b(value, digest_size=_MEMBER_HASH_BYTES).hexdigest()
