"""Commands of one turn travel together, and nobody waits long for Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from adapters.redis.breaker import Breaker
from adapters.redis.client import redis_client
from adapters.redis.turns import Turns
from tests.fakes import FakeClock
from tests.support.redis import redis_server
from tests.support.server import Server

pytestmark = pytest.mark.anyio

BUDGET_SECONDS = 0.03
PATIENCE_SECONDS = 1.0
"""The budget, and what a busy machine adds to it."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with redis_server() as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Redis]:
    async with aclosing(redis_client(server.url)) as opened:
        await opened.ping()
        yield opened


Budget = Callable[[float], None]


@pytest.fixture
def budget(monkeypatch: pytest.MonkeyPatch) -> Budget:
    """Sets the budget. A busy machine may take longer than Harbor would wait."""

    def set_to(seconds: float) -> None:
        monkeypatch.setattr("adapters.redis.turns._BUDGET_SECONDS", seconds)

    set_to(10.0)
    return set_to


@pytest.fixture
async def turns(client: Redis, budget: Budget) -> AsyncIterator[Turns]:
    made = Turns(client, Breaker(FakeClock()))
    yield made
    await made.drain()


def a_name() -> bytes:
    return uuid4().bytes


async def calls(client: Redis) -> dict[str, int]:
    """How often each command was given since the last reset."""
    found = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): each["calls"] for name, each in found.items()}


# Together.


async def test_reads_of_one_turn_are_one_command(client: Redis, turns: Turns) -> None:
    names = [a_name() for _ in range(64)]
    await client.mset({name: name for name in names[::2]})
    await client.config_resetstat()
    values = await asyncio.gather(*(turns.get(name) for name in names))
    assert values[::2] == names[::2]
    assert values[1::2] == [None] * 32
    counted = await calls(client)
    assert counted["mget"] == 1
    assert "get" not in counted


async def test_writes_of_one_turn_are_one_journey(client: Redis, turns: Turns) -> None:
    names = [a_name() for _ in range(64)]
    await client.config_resetstat()
    for name in names:
        turns.set(name, name, 60)
    assert len(turns._journeys) == 0
    await asyncio.sleep(0)
    assert len(turns._journeys) == 1
    await turns.drain()
    assert (await calls(client))["set"] == 64
    assert await client.mget(names) == names
    assert 0 < await client.ttl(names[0]) <= 60


async def test_the_next_turn_makes_a_journey_of_its_own(client: Redis, turns: Turns) -> None:
    await client.config_resetstat()
    first = asyncio.create_task(turns.get(a_name()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(turns.get(a_name()))
    assert [await first, await second] == [None, None]
    assert (await calls(client))["mget"] == 2


async def test_what_many_ask_in_one_turn_is_asked_once(client: Redis, turns: Turns) -> None:
    name = a_name()
    await client.set(name, b"the value")
    journeys: list[list[bytes]] = []
    mget = client.mget

    async def watched(names: list[bytes]) -> object:
        journeys.append(names)
        return await mget(names)

    client.mget = watched  # type: ignore[method-assign, assignment]
    assert await asyncio.gather(*(turns.get(name) for _ in range(50))) == [b"the value"] * 50
    assert journeys == [[name]]


async def test_of_writes_under_one_name_in_one_turn_the_last_counts(
    client: Redis, turns: Turns
) -> None:
    name = a_name()
    await client.config_resetstat()
    for number in range(10):
        turns.set(name, b"%d" % number, 60)
    await turns.drain()
    assert await client.get(name) == b"9"
    assert (await calls(client))["set"] == 1
    assert turns._pending_writes == 0


async def test_an_asker_that_goes_away_does_not_take_the_answer_from_the_others(
    client: Redis, turns: Turns
) -> None:
    name = a_name()
    await client.set(name, b"the value")
    for spins in range(8):
        askers = [asyncio.create_task(turns.get(name)) for _ in range(3)]
        for _ in range(spins):
            await asyncio.sleep(0)
        askers[0].cancel()
        askers[2].cancel()
        assert await askers[1] == b"the value"
    all_gone = [asyncio.create_task(turns.get(name)) for _ in range(3)]
    await asyncio.sleep(0)
    for asker in all_gone:
        asker.cancel()
    await asyncio.wait(all_gone)
    assert await turns.get(name) == b"the value"


# A Redis that fails.


@asynccontextmanager
async def frozen(server: Server) -> AsyncIterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


async def asked(turns: Turns, count: int) -> float:
    """Everybody gets a miss; the longest wait."""
    started = time.perf_counter()
    assert await asyncio.gather(*(turns.get(a_name()) for _ in range(count))) == [None] * count
    return time.perf_counter() - started


async def test_a_frozen_redis_costs_nobody_more_than_the_budget_and_soon_nothing(
    server: Server, turns: Turns, budget: Budget
) -> None:
    budget(BUDGET_SECONDS)
    async with frozen(server):
        waits = [await asked(turns, 100) for _ in range(3)]
        assert min(waits) >= BUDGET_SECONDS * 0.9
        assert max(waits) < PATIENCE_SECONDS
        # Three failures were enough: nobody asks any more.
        asking = [asyncio.create_task(turns.get(a_name())) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert all(asker.done() for asker in asking)


async def test_a_redis_that_was_killed_costs_nobody_more_than_the_budget(
    server: Server, turns: Turns, budget: Budget
) -> None:
    budget(BUDGET_SECONDS)
    server.kill()
    try:
        assert max([await asked(turns, 100) for _ in range(5)]) < PATIENCE_SECONDS
    finally:
        server.start()


async def test_writes_to_a_frozen_redis_are_dropped_beyond_a_limit(
    server: Server, client: Redis, turns: Turns, budget: Budget
) -> None:
    budget(BUDGET_SECONDS)
    names = [a_name() for _ in range(1_000)]
    async with frozen(server):
        for name in names:
            turns.set(name, b"x" * 1_000, 60)
        assert turns._pending_writes == 256
        await turns.drain()
    assert turns._pending_writes == 0
    budget(10.0)
    again = a_name()
    turns.set(again, b"written", 60)
    await turns.drain()
    assert await client.get(again) == b"written"


async def test_an_answer_that_comes_too_late_is_never_taken_for_another(
    server: Server, client: Redis, turns: Turns, budget: Budget
) -> None:
    """The connection that the late answer comes on is not used again."""
    names = [a_name() for _ in range(20)]
    await client.mset({name: b"of " + name for name in names})
    for number, name in enumerate(names):
        if number % 3 == 0:
            budget(BUDGET_SECONDS)
            async with frozen(server):
                assert await turns.get(name) is None
        else:
            budget(10.0)
            assert await turns.get(name) == b"of " + name


async def test_it_is_asked_again_a_little_later(
    server: Server, client: Redis, budget: Budget
) -> None:
    budget(BUDGET_SECONDS)
    clock = _Ticking()
    turns = Turns(client, Breaker(clock))
    name = a_name()
    await client.set(name, b"the value")
    async with frozen(server):
        for _ in range(3):
            await turns.get(a_name())
    assert await turns.get(name) is None
    clock.seconds += 1.1
    budget(10.0)
    assert await turns.get(name) == b"the value"


async def test_draining_waits_for_everything_that_was_begun(client: Redis, turns: Turns) -> None:
    for number in range(20):
        name = a_name()
        turns.set(name, b"%d" % number, 60)
        asking = asyncio.create_task(turns.get(name))
        await turns.drain()
        assert await client.get(name) == b"%d" % number
        await asking
    await turns.drain()


class _Ticking(FakeClock):
    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds
