"""Following the feed: who listens hears something in time, whatever happens to others."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from adapters.sql.database import Database
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.events import SqlEvents
from adapters.system import SystemClock, SystemIds
from application.follow_events import FollowEvents
from application.ports.events import EventFilter, EventPage
from domain.event import EventType
from tests.contracts.feed import a_life, a_new_merchant, save

pytestmark = pytest.mark.anyio

LOOK_SECONDS = 0.01
SILENCE_SECONDS = 0.3
CANCELED = frozenset({EventType.ORDER_CANCELED})


@pytest.fixture
async def merchant_id(sqlite_database: Database) -> UUID:
    return await a_new_merchant(sqlite_database)


async def happen(database: Database, merchant_id: UUID, lives: int) -> None:
    """Orders that are paid, three events each, with their numbers."""
    for number in range(lives):
        await save(database, *a_life(merchant_id, at=number * timedelta(seconds=1)))
    await SqlEventSequencer(database, SystemIds(), SystemClock()).number(3 * lives)


@asynccontextmanager
async def happening(database: Database, merchant_id: UUID) -> AsyncIterator[None]:
    """Something new all the time, more often than there could be a silence."""

    stopping = asyncio.Event()

    async def always() -> None:
        while not stopping.is_set():
            await happen(database, merchant_id, 1)
            await asyncio.wait([stopped], timeout=SILENCE_SECONDS / 10)

    stopped = asyncio.create_task(stopping.wait())
    task = asyncio.create_task(always())
    try:
        yield
    finally:
        stopping.set()
        await task


@asynccontextmanager
async def following(
    events: SqlEvents, which: EventFilter, silence_seconds: float
) -> AsyncIterator[AsyncGenerator[EventPage]]:
    """From the beginning, for ten seconds at most."""
    follow = FollowEvents(events=events, look_seconds=LOOK_SECONDS)
    pages = follow(which, after=0, silence_seconds=silence_seconds)
    async with asyncio.timeout(10):
        async with aclosing(pages):
            yield pages
        # It ends by itself when nobody waits any more, and the database is closed after that.
        if follow._looking is not None:
            await follow._looking


async def test_a_listener_of_what_never_happens_hears_how_far_the_feed_has_come(
    sqlite_database: Database, merchant_id: UUID
) -> None:
    events = SqlEvents(sqlite_database)
    which = EventFilter(merchant_id=merchant_id, types=CANCELED)
    async with (
        happening(sqlite_database, merchant_id),
        following(events, which, SILENCE_SECONDS) as pages,
    ):
        first, second = await anext(pages), await anext(pages)
    assert (first.items, second.items) == ((), ())
    assert 0 < first.last < second.last


async def test_a_listener_hears_something_while_it_catches_up(
    sqlite_database: Database, merchant_id: UUID
) -> None:
    await happen(sqlite_database, merchant_id, 2)
    events = SqlEvents(sqlite_database, window=2)
    which = EventFilter(merchant_id=merchant_id, types=CANCELED)
    async with following(events, which, 0) as pages:
        heard = [await anext(pages) for _ in range(3)]
    assert [(page.items, page.last, page.has_more) for page in heard] == [
        ((), 2, True),
        ((), 4, True),
        ((), 6, False),
    ]


async def test_after_a_silence_a_listener_hears_that_the_stream_stands(
    sqlite_database: Database, merchant_id: UUID
) -> None:
    await happen(sqlite_database, merchant_id, 1)
    which = EventFilter(merchant_id=merchant_id)
    clock = asyncio.get_running_loop()
    async with following(SqlEvents(sqlite_database), which, SILENCE_SECONDS) as pages:
        first = await anext(pages)
        told = clock.time()
        second = await anext(pages)
    assert len(first.items) == 3
    assert (second.items, second.last) == ((), 3)
    assert clock.time() - told >= SILENCE_SECONDS
