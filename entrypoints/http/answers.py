"""Responses that several routes share."""

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response

from application.json_text import render
from application.once import Answer
from application.pages import Page, Position
from entrypoints.http.cursor import Cursors
from entrypoints.http.schemas import PageQuery

Item = TypeVar("Item")

JSON = "application/json"


def json_response(document: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(render(document), media_type=JSON, headers=dict(headers or {}))


def once_response(answer: Answer, *, etag: str | None = None) -> Response:
    """The first answer's own status, 200 with the same bytes for every repeat."""
    headers = {
        "Location": answer.location,
        "Idempotent-Replayed": "true" if answer.replayed else "false",
    }
    if etag is not None:
        headers["ETag"] = etag
    return Response(
        answer.body,
        status_code=200 if answer.replayed else answer.status,
        media_type=JSON,
        headers=headers,
    )


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

    def response(self, page: Page[Item], document: Callable[[Item], object]) -> Response:
        """The page, and a Link header (RFC 8288) to the next one."""
        next_cursor = None
        headers = {}
        if page.next is not None:
            next_cursor = self._cursors.encode(page.next, self._merchant_id, self._filters)
            query = urlencode(self._query | {"limit": self._limit, "cursor": next_cursor})
            headers["Link"] = f'<{self._path}?{query}>; rel="next"'
        return json_response(
            {
                "data": [document(item) for item in page.items],
                "has_more": page.next is not None,
                "next_cursor": next_cursor,
            },
            headers,
        )
