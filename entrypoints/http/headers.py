"""The headers of a request, found by name."""

from typing import Final

from starlette.types import Scope

NAMED: Final = "harbor.headers"
"""In the scope of a request without a header that comes twice: all of them, by name."""


def name_headers(scope: Scope) -> None:
    """Look through them once, and not again for each name that is asked for."""
    headers = scope["headers"]
    named = dict(headers)
    if len(named) == len(headers):
        scope[NAMED] = named


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """Of every header of this name, in lower case."""
    named = scope.get(NAMED)
    if named is None:
        return [value for given, value in scope["headers"] if given == name]
    return [named[name]] if name in named else []
