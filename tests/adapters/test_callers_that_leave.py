"""Callers that stop waiting at any moment, the first of a key and those who follow it."""

import asyncio
import random

import pytest

from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.sql.database import Database, PoolLimits
from adapters.sql.group_commit import GroupLimits
from application.ports.faults import OutcomeUnknown
from application.ports.idempotency import Standing
from tests.adapters.watched_store import WatchedStore
from tests.databases import closing, each, saved
from tests.examples import a_record, ids

pytestmark = pytest.mark.anyio

KEYS, CALLERS = 6, 4
MOMENTS = [*range(20), *range(20, 400, 20)]


async def test_whoever_leaves_whenever_each_key_ends_with_one_order(
    database_url: str, database: Database
) -> None:
    dice = random.Random(4711)
    merchant_id = ids.new()
    async with closing(Database(database_url, PoolLimits(size=4))) as opened:
        limits = GroupLimits(lanes=2, batch=4)
        flights = SingleFlightIdempotency(WatchedStore(opened, together=limits), wait_seconds=20)
        for turns in MOMENTS:
            keys = [f"key {number} of {turns}" for number in range(KEYS)] * CALLERS
            callers = [
                asyncio.create_task(flights.record(a_record(merchant_id, key))) for key in keys
            ]
            for _ in range(turns):
                await asyncio.sleep(0)
            # The first of most keys are among them.
            for caller in dice.sample(callers[: 2 * KEYS], 2 * KEYS - 3):
                caller.cancel()
            async with asyncio.timeout(30):
                told = await asyncio.gather(*callers, return_exceptions=True)
            assert {type(each) for each in told} <= {Standing, asyncio.CancelledError}
            by_key: dict[str, set[object]] = {}
            for key, standing in zip(keys, told, strict=True):
                if isinstance(standing, Standing):
                    by_key.setdefault(key, set()).add(standing.answer.resource_id)
            assert len(by_key) == KEYS
            assert {len(answers) for answers in by_key.values()} == {1}
        await flights.drain()
    assert await saved(database, merchant_id) == each(len(MOMENTS) * KEYS)


async def test_one_whose_time_is_up_is_told_so_and_a_retry_tells(
    postgresql_url: str, postgresql_database: Database
) -> None:
    """Its commit may still be under way."""
    merchant_id = ids.new()
    keys = [f"key {number}" for number in range(50)]
    async with closing(Database(postgresql_url)) as opened:
        store = WatchedStore(opened)
        hurried = SingleFlightIdempotency(store, deadline_seconds=0.0)
        told = await asyncio.gather(
            *(hurried.record(a_record(merchant_id, key)) for key in keys), return_exceptions=True
        )
        assert {type(each) for each in told} == {OutcomeUnknown}
        patient = SingleFlightIdempotency(store)
        retries = [a_record(merchant_id, key) for key in keys]
        again = await asyncio.gather(*(patient.record(retry) for retry in retries))
        # Fresh where the first had not been sent yet.
        for retry, standing in zip(retries, again, strict=True):
            assert standing.fresh == (standing.answer == retry.answer)
    assert await saved(postgresql_database, merchant_id) == each(50)
