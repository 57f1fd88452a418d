"""Every event reaches every healthy endpoint, whoever of those who tell them is killed, and soon
where nobody is; endpoints that are slow or dead delay nobody.

`pytest tests/proofs/test_deliveries.py --full -s -n0`; HARBOR_PROOFS_SEED=… repeats the moments of
the kills, though not what the machine makes of them.
"""

import asyncio
import json
import os
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from adapters.sql.database import Database
from tests.databases import PostgresDatabases, closing
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.server import SECRET, START_SECONDS, Harbor, HarborProcess
from tests.proofs.conftest import Say
from tests.proofs.hooks import Kind, Place, Places, places_of
from tests.proofs.money_processes import is_error

pytestmark = pytest.mark.anyio

EVENTS_OF_AN_ORDER = 3
EVENTS_A_SECOND = 20
LEASE_SECONDS = 25.0
SETTLE_SECONDS = LEASE_SECONDS + 65.0
"""A lease that nobody ends, the pause after a failed attempt, and a busy machine."""
P99_SECONDS = 1.0
LOOK_SECONDS = 0.05
AT_ONCE = 32
"""So many attempts has an endpoint that takes its time at once."""

_STATES = text("SELECT state, count(*) FROM webhook_deliveries WHERE endpoint_id = :id GROUP BY 1")
_ATTEMPTS = text(
    "SELECT coalesce(a.problem, a.status::text) AS came, count(*) FROM webhook_attempts AS a"
    " JOIN webhook_deliveries AS d ON d.id = a.delivery_id WHERE d.endpoint_id = :id GROUP BY 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`orders` are placed in each of two parts; there are `kills` in the second."""

    orders: int
    kinds: dict[Kind, int]
    slow_seconds: float
    kills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The orders of each part, what came twice and what slow endpoints had before the kills, and
    the feed after all of it."""

    warming: set[str]
    calm: set[str]
    rough: set[str]
    twice_in_calm: int
    slow_in_calm: list[int]
    kills: int
    complaints: list[str]
    events: list[dict[str, Any]]


SMALL = Scale(
    orders=20, kinds={Kind.DEAD: 2, Kind.SLOW: 2, Kind.HEALTHY: 2}, slow_seconds=2.0, kills=3
)
FULL = Scale(
    orders=834, kinds={Kind.DEAD: 5, Kind.SLOW: 5, Kind.HEALTHY: 10}, slow_seconds=10.0, kills=20
)


@pytest.fixture
async def harbor(postgresql_databases: PostgresDatabases, tmp_path: Path) -> AsyncIterator[Harbor]:
    """A worker that is killed holds neither endpoints nor operations for long."""
    async with postgresql_databases.fresh() as url:
        settings = {
            "HARBOR_DATABASE_URL": url,
            "HARBOR_SECRET_KEY": SECRET,
            "HARBOR_WEBHOOK_ALLOW_LOOPBACK": "true",
            "HARBOR_WEBHOOK_LEASE_SECONDS": str(LEASE_SECONDS),
            "HARBOR_GATEWAY_SECONDS": "2",
            "HARBOR_LEASE_SECONDS": "5",
        }
        yield Harbor(tmp_path, settings)


@pytest.fixture
def chance(full: bool) -> random.Random:
    """The suite makes the same choices each time."""
    given = os.environ.get("HARBOR_PROOFS_SEED")
    return random.Random(given or (secrets.token_hex(4) if full else "suite"))


class Workers:
    """Two that work; one that was killed is replaced."""

    def __init__(self, harbor: Harbor) -> None:
        self._harbor = harbor
        self.kills = 0
        self.complaints: list[str] = []
        self._all = [self._start(), self._start()]

    async def replace(self, number: int) -> None:
        self._kill(self._all[number])
        self.kills += 1
        self._all[number] = await asyncio.to_thread(self._start)

    def end(self) -> None:
        for worker in self._all:
            self._kill(worker)

    def _start(self) -> HarborProcess:
        worker = HarborProcess(self._harbor, ("worker",), {})
        worker.err.first(lambda line: "worker started" in line or None, START_SECONDS)
        return worker

    def _kill(self, worker: HarborProcess) -> None:
        worker.kill()
        self.complaints += [line for line in worker.err.all() if is_error(line)]


@contextmanager
def two_workers(harbor: Harbor) -> Iterator[Workers]:
    workers = Workers(harbor)
    try:
        yield workers
    finally:
        workers.end()


async def _trade(api: Api, orders: int) -> set[str]:
    """Place orders in time; their ids."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    placing: list[asyncio.Task[dict[str, Any]]] = []
    async with asyncio.TaskGroup() as group:
        for number in range(orders):
            due = began + number * EVENTS_OF_AN_ORDER / EVENTS_A_SECOND
            await asyncio.sleep(due - clock.time())
            placing.append(group.create_task(api.placed()))
    return {task.result()["id"] for task in placing}


async def _kill_now_and_then(workers: Workers, scale: Scale, chance: random.Random) -> None:
    """At moments spread over the time in which the orders are placed."""
    clock = asyncio.get_running_loop()
    began, lasts = clock.time(), scale.orders * EVENTS_OF_AN_ORDER / EVENTS_A_SECOND
    for moment in sorted(chance.uniform(0, lasts) for _ in range(scale.kills)):
        await asyncio.sleep(began + moment - clock.time())
        await workers.replace(chance.randrange(2))


async def _until(enough: Callable[[], bool], what: Callable[[], str]) -> None:
    clock = asyncio.get_running_loop()
    deadline = clock.time() + SETTLE_SECONDS
    while not enough():
        assert clock.time() < deadline, what()
        await asyncio.sleep(LOOK_SECONDS)


async def _until_heard(places: Places, orders: int) -> None:
    """Every healthy endpoint, of all events of so many orders."""
    healthy, events = places.of(Kind.HEALTHY), orders * EVENTS_OF_AN_ORDER
    await _until(
        lambda: all(len(place.first) >= events for place in healthy),
        lambda: f"of {events} events came {[len(place.first) for place in healthy]}",
    )


async def _until_recorded(database: Database, places: Places) -> None:
    """That every healthy endpoint has heard all."""
    healthy = places.of(Kind.HEALTHY)

    async def undelivered() -> int:
        counts = [await _counts(database, _STATES, place) for place in healthy]
        return sum(count.total() - count["delivered"] for count in counts)

    clock = asyncio.get_running_loop()
    deadline = clock.time() + SETTLE_SECONDS
    while left := await undelivered():
        assert clock.time() < deadline, left
        await asyncio.sleep(LOOK_SECONDS)


async def _counts(database: Database, query: TextClause, place: Place) -> Counter[str]:
    async with database.statement() as connection:
        rows = (await connection.execute(query, {"id": place.id})).all()
    return Counter({row[0]: row[1] for row in rows})


def _delays(
    places: Places, events: Sequence[dict[str, Any]], orders: Collection[str]
) -> list[float]:
    """From each event's moment until it came first, to each healthy endpoint, sorted."""
    moments = {
        event["id"]: datetime.fromisoformat(event["timestamp"]).timestamp()
        for event in events
        if event["data"]["order"]["id"] in orders
    }
    return sorted(
        place.first[event_id] - moment
        for place in places.of(Kind.HEALTHY)
        for event_id, moment in moments.items()
    )


def _at(delays: Sequence[float], part: float) -> float:
    return delays[min(len(delays) - 1, int(len(delays) * part))]


def _assert_in_order(place: Place, bodies: dict[str, bytes], orders: Collection[str]) -> None:
    latest: dict[str, int] = {}
    for event_id in place.first:
        event = json.loads(bodies[event_id])
        order_id = event["data"]["order"]["id"]
        if order_id in orders:
            assert event["sequence"] > latest.get(order_id, 0), event
            latest[order_id] = event["sequence"]


async def _tell_counts(say: Say, database: Database, places: Places) -> None:
    for kind in Kind:
        these = places.of(kind)
        attempts = sum([await _counts(database, _ATTEMPTS, place) for place in these], Counter())
        say(
            f"{len(these)} {kind}: {sum(len(place.first) for place in these)} events came, and"
            f" {sum(place.duplicates for place in these)} again; attempts on record:"
            f" {dict(attempts)}"
        )


async def _trade_and_kill(
    harbor: Harbor, api: Api, places: Places, scale: Scale, chance: random.Random
) -> Run:
    """Both parts, until all is heard and recorded."""
    with two_workers(harbor) as workers:
        # Who sends for the first time has much to import.
        warming = await _trade(api, 2)
        await _until_heard(places, len(warming))
        calm = await _trade(api, scale.orders)
        await _until_heard(places, len(warming | calm))
        twice = sum(place.duplicates for place in places.all)
        slow = [len(place.first) for place in places.of(Kind.SLOW)]
        killing = asyncio.create_task(_kill_now_and_then(workers, scale, chance))
        rough = await _trade(api, scale.orders)
        await killing
        await _until_heard(places, len(warming | calm | rough))
        async with closing(Database(harbor.database_url)) as database:
            await _until_recorded(database, places)
    return Run(
        warming=warming,
        calm=calm,
        rough=rough,
        twice_in_calm=twice,
        slow_in_calm=slow,
        kills=workers.kills,
        complaints=workers.complaints,
        events=await api.walk("/v1/events"),
    )


async def test_every_event_reaches_every_healthy_endpoint(
    harbor: Harbor, full: bool, say: Say, chance: random.Random
) -> None:
    scale = FULL if full else SMALL
    with harbor.serving() as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(harbor))
            async with places_of(api, scale.kinds, slow_seconds=scale.slow_seconds) as places:
                run = await _trade_and_kill(harbor, api, places, scale, chance)
    calm = _delays(places, run.events, run.calm)
    say(f"{len(run.events)} events, {run.kills} workers killed")
    say(f"without faults {_told(calm)}; with kills {_told(_delays(places, run.events, run.rough))}")
    say(f"before the kills {run.twice_in_calm} came twice, slow ones had {run.slow_in_calm}")
    async with closing(Database(harbor.database_url)) as database:
        await _tell_counts(say, database, places)
    _assert_all_came(places, run)
    assert not run.complaints, run.complaints[:3]
    assert run.kills == scale.kills
    assert run.twice_in_calm == 0
    assert all(count >= (AT_ONCE if full else 1) for count in run.slow_in_calm)
    assert _at(calm, 0.99) < P99_SECONDS
    if full:
        # Else no turn was cut off.
        assert sum(place.duplicates for place in places.all) > 0


def _told(delays: Sequence[float]) -> str:
    return (
        f"p50 {_at(delays, 0.5):.3f} s, p99 {_at(delays, 0.99):.3f} s, longest {delays[-1]:.3f} s"
    )


def _assert_all_came(places: Places, run: Run) -> None:
    assert len(run.events) == EVENTS_OF_AN_ORDER * len(run.warming | run.calm | run.rough)
    assert places.unsigned == 0
    assert not places.changed
    for event in run.events:
        told = {name: value for name, value in event.items() if name != "order_version"}
        assert json.loads(places.bodies[event["id"]]) == told
    for place in places.of(Kind.HEALTHY):
        assert place.first.keys() == {event["id"] for event in run.events}
        _assert_in_order(place, places.bodies, run.warming | run.calm)
