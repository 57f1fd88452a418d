"""What the URLs among the settings may look like."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pydantic_core import PydanticCustomError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

_NUMBER: Final = r"\d{1,5}"
_ANY: Final = r".+"
_DATABASE_PARAMETERS: Final = {
    "postgresql+asyncpg": {
        "host": _ANY,
        "passfile": _ANY,
        "port": _NUMBER,
        "prepared_statement_cache_size": _NUMBER,
        "ssl": "disable|allow|prefer|require|verify-ca|verify-full",
        "target_session_attrs": "any|primary|standby|read-write|read-only|prefer-standby",
    },
    "sqlite+aiosqlite": {},
}
_REDIS_PARAMETERS: Final = {
    "db": _NUMBER,
    "ssl_ca_certs": _ANY,
    "ssl_cert_reqs": "none|optional|required",
    "ssl_certfile": _ANY,
    "ssl_check_hostname": "true|false",
    "ssl_keyfile": _ANY,
}
"""Per parameter of a URL, what its value looks like."""
_LAST_PORT: Final = 65_535


def wrong_setting(message: str) -> PydanticCustomError:
    return PydanticCustomError("setting", "{message}", {"message": message})


def check_database_url(url: str) -> None:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise wrong_setting("is not a database URL") from None
    if parsed.drivername not in _DATABASE_PARAMETERS:
        raise wrong_setting("must begin with postgresql+asyncpg:// or sqlite+aiosqlite:///")
    if "sslmode" in parsed.query:
        raise wrong_setting("takes `ssl=require` where other drivers take `sslmode=require`")
    _check_parameters(parsed.query, _DATABASE_PARAMETERS[parsed.drivername])
    _check_port(parsed.port)
    if parsed.drivername == "sqlite+aiosqlite" and ":memory:" in (parsed.database or ":memory:"):
        raise wrong_setting("must name a file: what is in memory is lost")
    if parsed.drivername == "sqlite+aiosqlite" and not _is_directory_of(str(parsed.database)):
        raise wrong_setting("names a file in a directory that is not there")


def _is_directory_of(file: str) -> bool:
    try:
        return Path(file).parent.is_dir()
    except OSError:
        return False


def check_redis_url(url: str) -> None:
    try:
        parsed = urlsplit(url)
        port = parsed.port
    except ValueError:
        raise wrong_setting("is not a Redis URL") from None
    if parsed.scheme not in ("redis", "rediss", "unix"):
        raise wrong_setting("must begin with redis://, rediss:// or unix://")
    _check_parameters(parse_qs(parsed.query, keep_blank_values=True), _REDIS_PARAMETERS)
    _check_port(port)
    if parsed.scheme != "unix" and not re.fullmatch(r"/?\d{0,4}", parsed.path):
        raise wrong_setting("must end with the number of the Redis database, such as /0")


def check_http_url(url: str) -> None:
    try:
        parsed = urlsplit(url)
        _check_port(parsed.port)
    except ValueError:
        raise wrong_setting("is not a URL") from None
    if parsed.scheme not in ("http", "https") or not parsed.hostname:
        raise wrong_setting("must begin with http:// or https://")
    if parsed.query or parsed.fragment or parsed.username or parsed.password:
        raise wrong_setting("may have a scheme, a host, a port and a path, and nothing else")


def _check_parameters(given: Mapping[str, str | Sequence[str]], known: Mapping[str, str]) -> None:
    if set(given) - set(known):
        raise wrong_setting(f"may have only these parameters: {', '.join(known) or 'none'}")
    for name, values in given.items():
        listed = [values] if isinstance(values, str) else values
        if not all(re.fullmatch(known[name], value) for value in listed):
            raise wrong_setting(f"has a wrong value of the parameter {name}")


def _check_port(port: int | None) -> None:
    if port is not None and not 0 < port <= _LAST_PORT:
        raise wrong_setting(f"has a port outside 1 to {_LAST_PORT}")
