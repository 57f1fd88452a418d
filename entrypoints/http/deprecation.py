"""How it is announced that an operation will go away: in every answer of it, and in OpenAPI.

`Deprecation` is RFC 9745, `Sunset` RFC 8594, the links are of RFC 8288 with the relations
`deprecation` and `successor-version` (RFC 5829).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import Message, Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

NOTICE: Final = timedelta(days=365)
"""So long everybody may go on as before: docs/versioning.md."""

_MARK: Final = "__harbor_deprecation__"
_URL: Final = re.compile(r"https://[\x21\x23-\x3b\x3d\x3f-\x7e]+")
_SUCCESSOR: Final = re.compile(r"(https:/)?/[\x21\x23-\x3b\x3d\x3f-\x7e]+")
_PARAMETER: Final = re.compile(r"{(\w+)}")
_LINK: Final = b"link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """That an operation is deprecated `since` a time, and gone from `sunset` on, both in UTC,
    NOTICE apart at least; `guide` is a page that says what to do. `successor` is the address of
    what takes its place, if there is one: `{order_id}` in it stands for the path's parameter.
    Raises ValueError."""

    since: datetime
    sunset: datetime
    guide: str
    successor: str | None = None

    def __post_init__(self) -> None:
        for moment in (self.since, self.sunset):
            if moment.utcoffset() != timedelta(0):
                raise ValueError("since and sunset are aware, and in UTC")
        if self.sunset - self.since < NOTICE:
            raise ValueError(f"sunset comes at least {NOTICE.days} days after since")
        if not _URL.fullmatch(self.guide):
            raise ValueError("guide is an https URL")
        if self.successor is not None and not _SUCCESSOR.fullmatch(self.successor):
            raise ValueError("successor is a path or an https URL")

    @property
    def deprecation(self) -> str:
        return f"@{int(self.since.timestamp())}"

    @property
    def sunset_date(self) -> str:
        return format_datetime(self.sunset.astimezone(UTC), usegmt=True)

    def links(self, path_params: Mapping[str, object]) -> str:
        """The Link header's value for a request with these parameters in its path."""
        found = f'<{self.guide}>; rel="deprecation"; type="text/html"'
        if self.successor is None:
            return found

        def fill(name: re.Match[str]) -> str:
            return quote(str(path_params[name[1]]), safe="")

        return f'{found}, <{_PARAMETER.sub(fill, self.successor)}>; rel="successor-version"'


def deprecated(
    *, since: datetime, sunset: datetime, guide: str, successor: str | None = None
) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint, below its route's decorator. Raises ValueError; see Deprecation."""
    deprecation = Deprecation(since=since, sunset=sunset, guide=guide, successor=successor)

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MARK, deprecation)
        return endpoint

    return mark


def deprecation_of(endpoint: object) -> Deprecation | None:
    """None for an endpoint that stays."""
    found: Deprecation | None = getattr(endpoint, _MARK, None)
    return found


def announce(scope: Scope, message: Message) -> None:
    """Adds to the head of an answer what there is to announce of the operation that it is from."""
    deprecation = deprecation_of(getattr(scope.get("route"), "endpoint", None))
    if deprecation is None:
        return
    headers: Sequence[tuple[bytes, bytes]] = message["headers"]
    # In one line with the links that are there: some clients read only the first.
    links = [value for name, value in headers if name == _LINK]
    links.append(deprecation.links(scope["path_params"]).encode())
    message["headers"] = [
        *(each for each in headers if each[0] != _LINK),
        (b"deprecation", deprecation.deprecation.encode()),
        (b"sunset", deprecation.sunset_date.encode()),
        (_LINK, b", ".join(links)),
    ]


def document_deprecations(document: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Marks deprecated operations in an OpenAPI document, with the headers of their answers.
    Raises ValueError when a successor's address has a parameter that the operation has not."""
    for operation, path, deprecation in _deprecated(document, routes):
        unknown = set(_PARAMETER.findall(deprecation.successor or "")) - set(
            _PARAMETER.findall(path)
        )
        if unknown:
            raise ValueError(f"the successor of {path} has other parameters: {unknown}")
        operation["deprecated"] = True
        operation["description"] = f"{operation['description']}\n\n{_paragraph(deprecation)}"
        for response in operation["responses"].values():
            # What is shared with other operations cannot say what only this one answers.
            if "$ref" not in response:
                headers = response.get("headers", {})
                before = _described(document, headers.get("Link", {}))
                response["headers"] = headers | _documented(deprecation, before)


def _deprecated(
    document: dict[str, Any], routes: Sequence[BaseRoute]
) -> Iterator[tuple[dict[str, Any], str, Deprecation]]:
    for context in iter_route_contexts(routes):
        path, methods = context.path_format, context.methods
        deprecation = deprecation_of(getattr(context.original_route, "endpoint", None))
        if deprecation is None or path is None or path not in document["paths"]:
            continue
        for method in methods or ():
            yield document["paths"][path][method.lower()], path, deprecation


def _paragraph(deprecation: Deprecation) -> str:
    text = (
        f"**Deprecated** since {deprecation.since:%Y-%m-%d}, and gone from"
        f" {deprecation.sunset:%Y-%m-%d} on: see <{deprecation.guide}>."
    )
    if deprecation.successor is not None:
        text += f" `{deprecation.successor}` takes its place."
    return text


def _described(document: dict[str, Any], header: dict[str, Any]) -> str:
    if "$ref" in header:
        header = document["components"]["headers"][header["$ref"].rpartition("/")[2]]
    found: str = header.get("description", "")
    return found


def _documented(deprecation: Deprecation, before: str) -> dict[str, Any]:
    """The headers; `before` is what is said of links already."""
    links = f'{before} Where the deprecation is explained, rel="deprecation" (RFC 8288)'
    if deprecation.successor is not None:
        links += ', and what takes its place, rel="successor-version"'
    return {
        "Deprecation": {
            "description": "Since when it is deprecated (RFC 9745).",
            "schema": {"type": "string"},
            "example": deprecation.deprecation,
        },
        "Sunset": {
            "description": "From when on it is gone (RFC 8594).",
            "schema": {"type": "string"},
            "example": deprecation.sunset_date,
        },
        "Link": {
            "description": f"{links}.".lstrip(),
            "schema": {"type": "string"},
        },
    }
