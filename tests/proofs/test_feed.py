"""A reader of the feed sees every event once, in order and without a gap, whatever order the
transactions commit in, and whoever of those who number them is killed meanwhile."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from anyio.from_thread import start_blocking_portal
from sqlalchemy import insert

from adapters.sql.database import Database, PoolLimits
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import events, orders
from application.order_document import order_json
from domain.order import Change
from tests.databases import PostgresDatabases, closing
from tests.examples import a_placement, ids
from tests.journeys.api import Api, client_of
from tests.journeys.event_source import following
from tests.journeys.server import Harbor
from tests.proofs.conftest import Say, production

pytestmark = pytest.mark.anyio

WRITERS = 8
LONGEST_HELD_SECONDS = 2.0
SOON_SECONDS = 10.0


@pytest.fixture
def harbor(
    postgresql_databases: PostgresDatabases, redis_url: str, tmp_path: Path
) -> Iterator[Harbor]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(postgresql_databases.fresh()) as url,
    ):
        yield production(tmp_path, url, redis_url)


@dataclass(slots=True)
class Written:
    """The ids of events, in the order in which they were committed."""

    committed: list[str] = field(default_factory=list)
    held_long: int = 0
    rolled_back: int = 0


class _GoneWrong(Exception):
    """A transaction that is never committed."""


def _life(merchant_id: UUID, chance: random.Random) -> list[Change]:
    placed = a_placement(merchant_id, str(ids.new()))
    now = placed.order.created_at
    taken = placed.order.start_processing(event_id=ids.new(), now=now)
    amount = taken.order.request.amount
    paid = taken.order.pay(amount, "pay_1", event_id=ids.new(), now=now)
    return [placed, taken, paid][: chance.randint(1, 3)]


async def _write(
    database: Database, merchant_id: UUID, transactions: int, chance: random.Random, told: Written
) -> None:
    for _ in range(transactions):
        life = _life(merchant_id, chance)
        long = chance.random() < 0.05
        try:
            async with database.transaction(patient=True) as connection:
                await connection.execute(insert(orders).values(order_to_row(life[0].order)))
                for change in life:
                    row = event_to_row(change.event, order_json(change.order))
                    await connection.execute(insert(events).values(row))
                await asyncio.sleep(LONGEST_HELD_SECONDS if long else chance.random() * 0.1)
                if chance.random() < 0.1:
                    raise _GoneWrong
        except _GoneWrong:
            told.rolled_back += 1
        else:
            told.held_long += long
            told.committed += [str(change.event.id) for change in life]


async def _poll(api: Api, writing: "asyncio.Future[Any]", told: Written) -> list[dict[str, Any]]:
    """Read on from the last page's end until all is there that was committed."""
    seen: list[dict[str, Any]] = []
    after, deadline = 0, None
    clock = asyncio.get_running_loop()
    while True:
        answer = await api.get(f"/v1/events?after={after}&limit=20")
        assert answer.status_code == 200, answer.text
        seen += answer.json()["data"]
        after = answer.json()["next_cursor"]
        if writing.done():
            deadline = deadline or clock.time() + SOON_SECONDS
            if len(seen) >= len(told.committed) or clock.time() > deadline:
                return seen


async def _kill_in_turn(
    harbor: Harbor, writing: "asyncio.Future[Any]", chance: random.Random
) -> int:
    """One worker works all the time; the other is killed, again and again."""
    kills = 0
    while not writing.done():
        with harbor.working() as worker:
            await asyncio.wait([writing], timeout=0.2 + chance.random())
            worker.kill()
            kills += 1
    return kills


async def test_a_reader_of_the_feed_misses_nothing(harbor: Harbor, full: bool, say: Say) -> None:
    chance = random.Random("the feed")
    merchant = harbor.run("merchant", "create", "Acme", "--json").document
    merchant_id, transactions = UUID(merchant["merchant_id"]), 400 if full else 40
    told = Written()
    async with closing(Database(harbor.database_url, PoolLimits(size=4 * WRITERS))) as database:
        with harbor.serving() as server, harbor.working():
            async with client_of(server) as client:
                api = Api(client, merchant["api_key"])
                writing = asyncio.gather(
                    *(
                        _write(database, merchant_id, transactions, random.Random(n), told)
                        for n in range(WRITERS)
                    )
                )
                killing = asyncio.create_task(_kill_in_turn(harbor, writing, chance))
                async with following(api) as source:
                    seen = await _poll(api, writing, told)
                    streamed = [await source.next() for _ in told.committed]
                kills = await killing
                await writing
    assert [event["sequence"] for event in seen] == list(range(1, len(told.committed) + 1))
    assert sorted(event["id"] for event in seen) == sorted(told.committed)
    assert [each.document for each in streamed] == seen
    versions: dict[str, int] = {}
    for event in seen:
        order_id = event["data"]["order"]["id"]
        assert event["order_version"] == versions.get(order_id, 0) + 1
        versions[order_id] = event["order_version"]
    # Else it would not have been hard.
    late = sum(one["id"] > following_one["id"] for one, following_one in pairwise(seen))
    assert late > 0
    assert told.held_long > 0
    assert told.rolled_back > 0
    assert kills > 0
    say(
        f"{len(seen)} events of {WRITERS * transactions} transactions, {told.rolled_back} rolled"
        f" back, {told.held_long} held for {LONGEST_HELD_SECONDS:.0f} s, {late} in another order"
        f" than they began, {kills} workers killed: each seen once, in order, by polling and by"
        " the stream"
    )
