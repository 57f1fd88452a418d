"""The routes of the feed."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from application.errors import OrderNotFound
from application.ports.events import EventFilter, EventPage
from entrypoints.http.answers import JsonResponse
from entrypoints.http.dependencies import ContainerOf, EventsReader, headers_named
from entrypoints.http.documented import KEYED, LAST_EVENT_ID, listed, problems, streamed
from entrypoints.http.event_stream import EventStream
from entrypoints.http.json_body import StrictJsonRoute
from entrypoints.http.paths import canonical_uuid
from entrypoints.http.problems import Refused
from entrypoints.http.wire.base import MOST_INT64
from entrypoints.http.wire.events import EventList, EventQuery, FollowQuery
from entrypoints.http.wire.paths import OrderPath

_SILENCE_SECONDS: Final = 15.0
"""After which a line without an event says that the stream still stands."""

_MOST_DIGITS: Final = len(str(MOST_INT64))

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Events"])


@router.get(
    "/events",
    response_model=None,
    responses=listed(EventList) | problems(*KEYED, "validation_failed"),
)
async def list_events(
    request: Request,
    caller: EventsReader,
    query: Annotated[EventQuery, Query()],
    container: ContainerOf,
) -> Response:
    """Read what happened to your orders, in one sequence without gaps: whoever goes on after the
    last sequence misses nothing. With a `type`, a page may be short, or empty, and have more."""
    which = EventFilter(merchant_id=caller.merchant_id, types=query.types)
    page = await container.list_events()(which, after=query.after, limit=query.limit)
    return _response(request, query, page)


@router.get(
    "/events/stream",
    status_code=200,
    response_model=None,
    response_class=EventStream,
    responses=streamed() | problems(*KEYED, "validation_failed"),
    openapi_extra=LAST_EVENT_ID,
)
async def stream_events(
    request: Request,
    caller: EventsReader,
    query: Annotated[FollowQuery, Query()],
    container: ContainerOf,
) -> Response:
    """Follow the same as server-sent events, from `after` on. Each has its sequence as `id`, its
    type as `event`, and as `data` the JSON that `GET /v1/events` lists. A client goes on where it
    was cut off by Last-Event-ID, as EventSource does; a browser's own cannot send an API key."""
    follow = container.follow_events()
    if not follow.has_room_for(caller.merchant_id, container.settings().stream_limit):
        raise Refused("unavailable", "Too many streams are open here: read the feed instead.")
    which = EventFilter(merchant_id=caller.merchant_id, types=query.types)
    after = max(query.after, _last_event_id(request))
    return EventStream(follow(which, after=after, silence_seconds=_SILENCE_SECONDS))


@router.get(
    "/orders/{order_id}/events",
    response_model=None,
    responses=listed(EventList) | problems(*KEYED, "order_not_found", "validation_failed"),
)
async def list_order_events(
    request: Request,
    order_id: OrderPath,
    caller: EventsReader,
    query: Annotated[EventQuery, Query()],
    container: ContainerOf,
) -> Response:
    """Read what happened to one order, the first change first."""
    wanted = canonical_uuid(order_id)
    if wanted is None:
        raise OrderNotFound
    which = EventFilter(merchant_id=caller.merchant_id, order_id=wanted, types=query.types)
    page = await container.list_events()(which, after=query.after, limit=query.limit)
    return _response(request, query, page)


def _response(request: Request, query: EventQuery, page: EventPage) -> Response:
    """With a Link header (RFC 8288) to the next page."""
    headers = []
    if page.has_more:
        path = request.scope["raw_path"].decode("ascii")
        of_type = "" if query.type is None else f"&type={','.join(query.type)}"
        link = f'<{path}?after={page.last}&limit={query.limit}{of_type}>; rel="next"'
        headers.append((b"link", link.encode()))
    body = (
        f'{{"data":[{",".join([event.json for event in page.items])}]'
        f',"has_more":{"true" if page.has_more else "false"}'
        f',"next_cursor":{page.last}}}'
    )
    return JsonResponse(body.encode(), 200, headers)


def _last_event_id(request: Request) -> int:
    """0 where there is none. Raises Refused `malformed_request`."""
    given = headers_named(request, b"last-event-id")
    if not given or given == [""]:
        return 0
    text = given[0].strip(" \t")
    readable = len(given) == 1 and len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()
    if not readable or int(text) > MOST_INT64:
        raise Refused("malformed_request", "Last-Event-ID is the sequence of an event.")
    return int(text)
