"""Responses that several routes share."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response

from application.json_text import json_text, render
from application.once import Answer
from application.pages import Page, Position
from entrypoints.http.cursor import Cursors
from entrypoints.http.wire.pages import PageQuery

Item = TypeVar("Item")

_IS_JSON: Final = (b"content-type", b"application/json")
_FRESH: Final = (b"idempotent-replayed", b"false")
_REPLAYED: Final = (b"idempotent-replayed", b"true")


class JsonResponse(Response):
    """A Response whose headers need no encoding."""

    def __init__(self, body: bytes, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [*headers, (b"content-length", b"%d" % len(body)), _IS_JSON]


def json_response(document: object) -> Response:
    return JsonResponse(render(document), 200, ())


def once_response(answer: Answer, *headers: tuple[bytes, bytes]) -> Response:
    """The first answer's own status, 200 with the same bytes for every repeat."""
    location = (b"location", answer.location.encode())
    if answer.replayed:
        return JsonResponse(answer.body, 200, (location, _REPLAYED, *headers))
    return JsonResponse(answer.body, answer.status, (location, _FRESH, *headers))


class Listing:
    """One list as a caller walks it: its cursors are bound to the merchant and the filters."""

    def __init__(self, request: Request, merchant_id: UUID, query: PageQuery) -> None:
        self._path = request.scope["raw_path"].decode("ascii")
        self._cursors: Cursors = request.app.state.cursors
        self._merchant_id = merchant_id
        self._limit = query.limit
        self._cursor = query.cursor
        chosen = query.model_dump(mode="json", exclude_none=True, exclude={"limit", "cursor"})
        self._filters: dict[str, object] = {"path": request.scope["path"], **chosen}
        self._query = chosen

    def after(self) -> Position | None:
        """Where the page begins. Raises Refused `invalid_cursor`."""
        if self._cursor is None:
            return None
        return self._cursors.decode(self._cursor, self._merchant_id, self._filters)

    def response(self, page: Page[Item], write: Callable[[Item], str]) -> Response:
        """The page, each item as the JSON that `write` makes of it, and a Link header (RFC 8288)
        to the next one."""
        next_cursor = None
        headers = []
        if page.next is not None:
            next_cursor = self._cursors.encode(page.next, self._merchant_id, self._filters)
            query = urlencode(self._query | {"limit": self._limit, "cursor": next_cursor})
            headers.append((b"link", f'<{self._path}?{query}>; rel="next"'.encode()))
        body = (
            f'{{"data":[{",".join([write(item) for item in page.items])}]'
            f',"has_more":{json_text(page.next is not None)}'
            f',"next_cursor":{json_text(next_cursor)}}}'
        )
        return JsonResponse(body.encode(), 200, headers)
