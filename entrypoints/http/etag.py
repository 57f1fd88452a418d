"""Entity tags (RFC 9110, 8.8.3, 13.1.1 and 13.1.2): a version number in quotes."""

import re
from collections.abc import Iterable
from typing import Final

_STRONG: Final = re.compile(r'"([1-9][0-9]{0,9})"')


def etag_of(version: int) -> str:
    return f'"{version}"'


def etag_header(version: int) -> tuple[bytes, bytes]:
    return b"etag", etag_of(version).encode()


def is_known(if_none_match: Iterable[str], version: int) -> bool:
    """Whether the client's If-None-Match names this version."""
    return names_tag(if_none_match, etag_of(version))


def names_tag(if_none_match: Iterable[str], etag: str) -> bool:
    """Whether the client's If-None-Match names this tag, quotes and all. Compared weakly,
    as the RFC says."""
    tags = _tags(if_none_match)
    return "*" in tags or etag in [tag.removeprefix("W/") for tag in tags]


def expected_versions(if_match: Iterable[str]) -> frozenset[int] | None:
    """The versions that the client's If-Match names, compared strongly, as the RFC says: a tag that
    is weak or none of ours is none of them. None where any version will do."""
    tags = _tags(if_match)
    if not tags or "*" in tags:
        return None
    strong = [_STRONG.fullmatch(tag) for tag in tags]
    return frozenset(int(tag[1]) for tag in strong if tag is not None)


def _tags(headers: Iterable[str]) -> list[str]:
    return [tag.strip() for header in headers for tag in header.split(",")]
