"""Entity tags (RFC 9110, 8.8.3 and 13.1.2): a version number in quotes."""

from collections.abc import Iterable


def etag_of(version: int) -> str:
    return f'"{version}"'


def etag_header(version: int) -> tuple[bytes, bytes]:
    return b"etag", etag_of(version).encode()


def is_known(if_none_match: Iterable[str], version: int) -> bool:
    """Whether the client's If-None-Match names this version. Compared weakly, as the RFC says."""
    tags = [tag.strip() for header in if_none_match for tag in header.split(",")]
    return "*" in tags or etag_of(version) in [tag.removeprefix("W/") for tag in tags]
