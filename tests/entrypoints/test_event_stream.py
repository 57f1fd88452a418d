"""Server-sent events, on the wire."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from application.ports.events import EventPage, ListedEvent
from entrypoints.http.event_stream import EventStream
from entrypoints.http.head import HeadAsGet
from tests.journeys.event_source import EventSource, StreamEnded
from tests.serving import serving

pytestmark = pytest.mark.anyio


async def test_a_page_without_events_is_no_event_but_says_where_to_go_on() -> None:
    async def pages() -> AsyncGenerator[EventPage]:
        yield EventPage(items=(), last=5, has_more=True)
        paid = ListedEvent(6, "order.paid", '{"sequence":6}')
        yield EventPage(items=(paid,), last=7, has_more=False)
        yield EventPage(items=(), last=9, has_more=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(pages())(scope, receive, send)

    async with (
        serving(app) as url,
        httpx2.AsyncClient(trust_env=False) as client,
        asyncio.timeout(10),
        client.stream("GET", url) as answer,
    ):
        source = EventSource(answer)
        received = await source.next()
        assert (received.id, received.event) == (6, "order.paid")
        assert received.document == {"sequence": 6}
        with pytest.raises(StreamEnded):
            await source.next()
        assert source.last_id == 9


async def test_for_who_came_for_the_head_only_nothing_is_read() -> None:
    read = False

    async def pages() -> AsyncGenerator[EventPage]:
        nonlocal read
        read = True
        yield EventPage(items=(), last=0, has_more=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(pages())(scope, receive, send)

    async with (
        serving(HeadAsGet(app)) as url,
        httpx2.AsyncClient(trust_env=False) as client,
        asyncio.timeout(10),
    ):
        assert (await client.head(url)).headers["content-type"] == "text/event-stream"
    assert not read
