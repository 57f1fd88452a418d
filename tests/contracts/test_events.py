"""What `application/ports/events.py` promises, over both databases."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from adapters.sql.database import Database
from adapters.sql.event_sequencer import SqlEventSequencer
from adapters.sql.events import SqlEvents
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import event_feeds, orders
from adapters.sql.tables import events as events_table
from adapters.system import SystemClock, SystemIds
from application.event_document import event_text
from application.order_document import order_json
from application.ports.events import EventFilter, Events, EventSequencer, ListedEvent
from domain.event import EventType
from domain.order import Change
from tests.contracts.feed import a_life, a_new_merchant, number_all, save
from tests.examples import ids

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


def listed(change: Change, sequence: int) -> ListedEvent:
    event = change.event
    text = event_text(
        event_id=event.id,
        event_type=event.type,
        sequence=sequence,
        occurred_at=event.occurred_at,
        order_version=event.order_version,
        document=order_json(change.order),
    )
    return ListedEvent(sequence, event.type, text)


async def walk(events: Events, which: EventFilter, limit: int = 100) -> list[ListedEvent]:
    found: list[ListedEvent] = []
    after, more = 0, True
    while more:
        page = await events.page(which, after, limit)
        assert len(page.items) <= limit
        assert page.last > after or not page.has_more
        found += page.items
        after, more = page.last, page.has_more
    return found


async def test_what_has_no_number_is_not_in_the_feed(
    database: Database, events: Events, merchant_id: UUID
) -> None:
    await save(database, *a_life(merchant_id))
    page = await events.page(EventFilter(merchant_id=merchant_id), 0, 100)
    assert (page.items, page.last, page.has_more) == ((), 0, False)
    assert await events.last_sequences([merchant_id]) == {}


async def test_events_are_numbered_from_one_the_oldest_first(
    database: Database, events: Events, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    later, earlier = a_life(merchant_id, at=SECOND), a_life(merchant_id)
    # Of one moment, and written in another order.
    await save(database, later[0], later[2], later[1])
    await save(database, *reversed(earlier))
    assert await number_all(sequencer) == 6
    expected = [listed(change, n) for n, change in enumerate([*earlier, *later], start=1)]
    for limit in (1, 2, 5, 6, 100):
        assert await walk(events, EventFilter(merchant_id=merchant_id), limit) == expected
    assert await events.last_sequences([merchant_id, ids.new()]) == {merchant_id: 6}


async def test_numbering_goes_on_where_it_was(
    database: Database, events: Events, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    first, second = a_life(merchant_id, at=SECOND), a_life(merchant_id)
    await save(database, *first)
    assert [await sequencer.number(2) for _ in range(3)] == [2, 1, 0]
    await save(database, *second)
    assert await number_all(sequencer) == 3
    found = await walk(events, EventFilter(merchant_id=merchant_id))
    # What came to light later has the higher numbers, whenever it happened.
    assert found == [listed(change, n) for n, change in enumerate([*first, *second], start=1)]


async def test_each_merchant_has_numbers_of_its_own(
    database: Database, events: Events, sequencer: EventSequencer
) -> None:
    several = [await a_new_merchant(database) for _ in range(3)]
    lives = {merchant_id: a_life(merchant_id) for merchant_id in several}
    await save(database, *[change for life in zip(*lives.values(), strict=True) for change in life])
    assert await number_all(sequencer) == 9
    for merchant_id, life in lives.items():
        found = await walk(events, EventFilter(merchant_id=merchant_id))
        assert found == [listed(change, n) for n, change in enumerate(life, start=1)]
    assert await walk(events, EventFilter(merchant_id=ids.new())) == []


async def test_the_part_that_is_about_one_order(
    database: Database, events: Events, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    one, other = a_life(merchant_id), a_life(merchant_id, at=SECOND)
    await save(database, *one, *other)
    await number_all(sequencer)
    which = EventFilter(merchant_id=merchant_id, order_id=other[0].order.id)
    assert await walk(events, which, 2) == [listed(change, n) for n, change in enumerate(other, 4)]
    foreign = EventFilter(merchant_id=ids.new(), order_id=other[0].order.id)
    assert await walk(events, foreign) == []


async def test_of_one_order_events_of_some_types_are_one_page_wherever_they_lie(
    database: Database, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    one, other = a_life(merchant_id), a_life(merchant_id, at=SECOND)
    await save(database, *one, *other)
    await number_all(sequencer)
    which = EventFilter(
        merchant_id=merchant_id,
        order_id=other[0].order.id,
        types=frozenset({EventType.ORDER_CREATED, EventType.ORDER_PAID}),
    )
    page = await SqlEvents(database, window=1).page(which, 0, 10)
    assert page.items == (listed(other[0], 4), listed(other[2], 6))
    assert not page.has_more


@pytest.mark.parametrize("window", [1, 2, 3, 5, 100])
async def test_events_of_some_types_are_found_however_far_they_lie_apart(
    database: Database,
    sequencer: EventSequencer,
    merchant_id: UUID,
    window: int,
) -> None:
    events = SqlEvents(database, window)
    lives = [a_life(merchant_id, at=n * SECOND) for n in range(4)]
    await save(database, *[change for life in lives for change in life])
    await number_all(sequencer)
    paid = [listed(life[2], 3 * n) for n, life in enumerate(lives, start=1)]
    of_paid = EventFilter(merchant_id=merchant_id, types=frozenset({EventType.ORDER_PAID}))
    for limit in (1, 2, 100):
        assert await walk(events, of_paid, limit) == paid
    none = EventFilter(merchant_id=merchant_id, types=frozenset({EventType.ORDER_CANCELED}))
    assert await walk(events, none) == []
    # Whoever goes on from the end does not go through all of it again.
    page = await events.page(none, 12 - window, 10)
    assert (page.items, page.last, page.has_more) == ((), 12, False)
    assert (await events.page(none, 20, 10)).last == 20


async def test_several_who_number_at_once_leave_no_gap(
    database: Database, events: Events, merchant_id: UUID
) -> None:
    lives = [a_life(merchant_id, at=n * SECOND) for n in range(20)]
    other = await a_new_merchant(database)
    await save(database, *[change for life in lives for change in life], *a_life(other))
    sequencers = [SqlEventSequencer(database, SystemIds(), SystemClock()) for _ in range(4)]

    async def number(sequencer: EventSequencer) -> int:
        return sum([await sequencer.number(7) for _ in range(10)])

    counts = await asyncio.gather(*map(number, sequencers))
    assert sum(counts) + await number_all(sequencers[0]) == 63
    for which, total in ((merchant_id, 60), (other, 3)):
        found = await walk(events, EventFilter(merchant_id=which))
        assert [event.sequence for event in found] == list(range(1, total + 1))
        assert len({event.json for event in found}) == total


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_what_commits_late_comes_later_and_nobody_waits_for_it(
    database: Database, events: Events, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    early, late = a_life(merchant_id), a_life(merchant_id, at=SECOND)
    which = EventFilter(merchant_id=merchant_id)
    async with database.transaction() as slow:
        await slow.execute(insert(orders).values(order_to_row(early[0].order)))
        row = event_to_row(early[0].event, order_json(early[0].order))
        await slow.execute(insert(events_table).values(row))
        await save(database, *late)
        assert await number_all(sequencer) == 3
        assert await walk(events, which) == [listed(c, n) for n, c in enumerate(late, start=1)]
    assert await number_all(sequencer) == 1
    page = await events.page(which, 3, 10)
    assert page.items == (listed(early[0], 4),)


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_a_merchant_who_is_being_numbered_is_passed_over(
    database: Database, events: Events, sequencer: EventSequencer, merchant_id: UUID
) -> None:
    other = await a_new_merchant(database)
    await save(database, *a_life(merchant_id), *a_life(other))
    await sequencer.number(1)
    first = await events.last_sequences([merchant_id, other])
    merchant_id, other = sorted([merchant_id, other], key=lambda each: -first.get(each, 0))
    async with database.transaction() as holder:
        held = select(event_feeds).where(event_feeds.c.merchant_id == merchant_id)
        await holder.execute(held.with_for_update())
        await sequencer.number(100)
        last = await events.last_sequences([merchant_id, other])
        assert last == {merchant_id: 1, other: 3}
    await number_all(sequencer)
    assert await events.last_sequences([merchant_id, other]) == {merchant_id: 3, other: 3}
