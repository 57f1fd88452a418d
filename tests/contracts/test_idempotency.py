"""What `application/ports/idempotency.py` promises, over every arrangement of adapters."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import PoolLimits
from adapters.sql.merchants import SqlMerchants
from adapters.sql.orders import SqlOrders
from adapters.sql.recording import lock_key_of
from adapters.sql.rows import answer_to_row
from adapters.sql.tables import idempotency_keys
from adapters.system import SystemClock
from application.ports.faults import KeyInProgress
from application.ports.idempotency import IdempotencyStore, Record, Standing
from domain.merchant import ApiKey
from domain.order import Change
from tests.contracts.conftest import ON_POSTGRESQL, Stores
from tests.databases import each, saved
from tests.examples import (
    a_key_record,
    a_merchant,
    a_new_key,
    a_placement,
    a_record,
    ids,
)
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)

# SQLite has one writer, and no locks on keys.
with_locks_on_keys = pytest.mark.parametrize("arrangement", ON_POSTGRESQL, indirect=True)


def the_change(record: Record) -> Change:
    assert isinstance(record.change, Change)
    return record.change


async def record_all(
    stores: Sequence[IdempotencyStore], records: Sequence[Record]
) -> list[Standing]:
    """All of them at once, dealt out to the stores in turn."""
    return await asyncio.gather(
        *(stores[number % len(stores)].record(record) for number, record in enumerate(records))
    )


class WatchedClock(SystemClock):
    """Tells when someone looks at it: a store does before it waits for a busy key."""

    def __init__(self) -> None:
        self.looked_at = asyncio.Event()

    def monotonic(self) -> float:
        self.looked_at.set()
        return super().monotonic()


# Recording once.


async def test_the_first_record_is_fresh_and_saved_whole(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchant = ids.new()
    record = a_record(merchant)
    assert await store.record(record) == Standing(answer=record.answer, fresh=True)
    assert await store.find(merchant, "a key") == record.answer
    order = the_change(record).order
    assert await SqlOrders(stores.database).get(merchant, order.id) == order
    assert await saved(stores.database, merchant) == each(1)


async def test_a_repeat_is_not_fresh_and_gets_the_first_answer(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchant = ids.new()
    first = a_record(merchant)
    await store.record(first)
    repeat = a_record(merchant, body={"amount_cents": 1}, created_at=NOW + DAY)
    assert repeat.answer.body != first.answer.body
    for _ in range(3):
        assert await store.record(repeat) == Standing(answer=first.answer, fresh=False)
    assert await saved(stores.database, merchant) == each(1)


async def test_a_repeat_through_another_store_gets_the_first_answer(stores: Stores) -> None:
    merchant = ids.new()
    first = a_record(merchant)
    await stores.new().record(first)
    assert await stores.new().record(a_record(merchant)) == Standing(
        answer=first.answer, fresh=False
    )


async def test_a_key_is_exact_to_the_character(store: IdempotencyStore) -> None:
    merchant = ids.new()
    keys = ["key", "KEY", "key ", " key", "key/1", "k%65y", '"key"', "~" * 255, "~" * 254]
    records = [a_record(merchant, key) for key in keys]
    standings = await record_all([store], records)
    assert all(standing.fresh for standing in standings)
    assert [await store.find(merchant, key) for key in keys] == [r.answer for r in records]


async def test_one_key_of_two_merchants_is_two_keys(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchants = [ids.new() for _ in range(5)]
    records = [a_record(merchant) for merchant in merchants]
    assert all(standing.fresh for standing in await record_all([store], records))
    for merchant, record in zip(merchants, records, strict=True):
        assert await store.find(merchant, "a key") == record.answer
        assert await saved(stores.database, merchant) == each(1)


async def test_a_key_that_was_never_used_is_not_found(store: IdempotencyStore) -> None:
    merchant = ids.new()
    await store.record(a_record(merchant))
    assert await store.find(merchant, "another key") is None
    assert await store.find(ids.new(), "a key") is None
    assert await store.recall(merchant, "another key") is None
    assert not await store.is_running(merchant, "another key")


async def test_what_is_recalled_is_what_was_recorded(store: IdempotencyStore) -> None:
    merchant = ids.new()
    record = a_record(merchant)
    await store.record(record)
    assert await store.recall(merchant, "a key") in (None, record.answer)


# Races.


@pytest.mark.parametrize("pools", [1, 2])
async def test_of_50_callers_with_one_key_one_is_fresh_and_all_get_its_answer(
    stores: Stores, pools: int
) -> None:
    merchant = ids.new()
    records = [a_record(merchant, body={"caller": number}) for number in range(50)]
    standings = await record_all([stores.new() for _ in range(pools)], records)
    (winner,) = [
        record for record, standing in zip(records, standings, strict=True) if standing.fresh
    ]
    assert {standing.answer.body for standing in standings} == {winner.answer.body}
    assert all(standing.answer == winner.answer for standing in standings)
    order = the_change(winner).order
    assert await SqlOrders(stores.database).get(merchant, order.id) == order
    assert await saved(stores.database, merchant) == each(1)


@pytest.mark.parametrize("pools", [1, 2])
async def test_callers_with_keys_of_their_own_are_all_fresh(stores: Stores, pools: int) -> None:
    merchant = ids.new()
    records = [a_record(merchant, f"key {number}") for number in range(50)]
    standings = await record_all([stores.new() for _ in range(pools)], records)
    assert standings == [Standing(answer=record.answer, fresh=True) for record in records]
    assert await saved(stores.database, merchant) == each(50)


async def test_in_a_crowd_of_keys_each_has_one_winner(stores: Stores) -> None:
    merchant = ids.new()
    records = [a_record(merchant, f"key {number % 10}") for number in range(100)]
    standings = await record_all([stores.new(), stores.new()], records)
    winners = [standing.answer.key for standing in standings if standing.fresh]
    assert sorted(winners) == [f"key {number}" for number in range(10)]
    assert await saved(stores.database, merchant) == each(10)


async def test_50_rotations_with_one_key_make_one_successor(stores: Stores) -> None:
    old = await with_an_old_key(stores)
    retired = replace(old, expires_at=NOW + DAY)
    records = [
        a_key_record(old.merchant_id, "a key", a_new_key(old.merchant_id).key, retired)
        for _ in range(50)
    ]
    standings = await record_all([stores.new(), stores.new()], records)
    (winner,) = [standing.answer for standing in standings if standing.fresh]
    assert all(standing.answer == winner for standing in standings)
    keys = (await SqlApiKeys(stores.database).page(old.merchant_id, None, 100)).items
    assert {key.id for key in keys} == {old.id, winner.resource_id}


# All or nothing.


@pytest.mark.parametrize("clash", ["order", "operation", "event"])
async def test_a_record_that_cannot_be_saved_whole_leaves_nothing_and_its_key_usable(
    stores: Stores, store: IdempotencyStore, clash: str
) -> None:
    merchant = ids.new()
    first = a_record(merchant, "first")
    await store.record(first)
    with pytest.raises(IntegrityError):
        await store.record(clashing(a_record(merchant, "second"), the_change(first), clash))
    assert await store.find(merchant, "second") is None
    assert not await store.is_running(merchant, "second")
    assert await saved(stores.database, merchant) == each(1)
    assert (await store.record(a_record(merchant, "second"))).fresh
    assert await saved(stores.database, merchant) == each(2)


def clashing(record: Record, other: Change, part: str) -> Record:
    """`record`, with one id that is already taken by a part of another one."""
    change = the_change(record)
    match part:
        case "order":
            clash = a_placement(change.order.merchant_id, "second", order_id=other.order.id)
        case "operation":
            assert change.operation is not None
            assert other.operation is not None
            clash = replace(change, operation=replace(change.operation, id=other.operation.id))
        case _:
            clash = replace(change, event=replace(change.event, id=other.event.id))
    return replace(record, change=clash)


async def test_an_order_without_an_operation_is_saved_too(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchant = ids.new()
    record = a_record(merchant, change=replace(a_placement(merchant), operation=None))
    assert (await store.record(record)).fresh
    assert await saved(stores.database, merchant) == each(1) | {"payment_operations": 0}


async def test_a_rotation_saves_the_new_key_and_the_end_of_the_old_one(
    stores: Stores, store: IdempotencyStore
) -> None:
    old = await with_an_old_key(stores)
    retired, issued = replace(old, expires_at=NOW + DAY), a_new_key(old.merchant_id).key
    record = a_key_record(old.merchant_id, "a key", issued, retired)
    assert await store.record(record) == Standing(answer=record.answer, fresh=True)
    api_keys = SqlApiKeys(stores.database)
    assert await api_keys.get(old.merchant_id, old.id) == retired
    assert await api_keys.get(old.merchant_id, issued.id) == issued


async def test_a_rotation_that_cannot_be_saved_leaves_the_old_key_as_it_was(
    stores: Stores, store: IdempotencyStore
) -> None:
    old = await with_an_old_key(stores)
    retired = replace(old, expires_at=NOW + DAY)
    with pytest.raises(IntegrityError):
        await store.record(a_key_record(old.merchant_id, "a key", old, retired))
    assert await SqlApiKeys(stores.database).get(old.merchant_id, old.id) == old
    assert await store.find(old.merchant_id, "a key") is None


async def test_a_key_issued_to_nobody_is_refused_by_the_database(
    stores: Stores, store: IdempotencyStore
) -> None:
    nobody = ids.new()
    with pytest.raises(IntegrityError):
        await store.record(a_key_record(nobody, "a key", a_new_key(nobody).key))
    assert await store.find(nobody, "a key") is None


async def with_an_old_key(stores: Stores) -> ApiKey:
    merchant = a_merchant()
    old = a_new_key(merchant.id).key
    await SqlMerchants(stores.database).add(merchant, old)
    return old


# Keys that are being worked on.


class HeldKey:
    """Another process at work on a key: it holds the key's lock in an open transaction."""

    def __init__(self, stores: Stores, merchant_id: UUID, key: str = "a key") -> None:
        self._transaction = stores.database.transaction()
        self._lock = select(func.pg_advisory_xact_lock(lock_key_of(merchant_id, key)))

    async def __aenter__(self) -> None:
        connection = await self._transaction.__aenter__()
        await connection.execute(self._lock)

    async def __aexit__(self, *_: object) -> None:
        await self._transaction.__aexit__(None, None, None)


@with_locks_on_keys
async def test_a_key_held_elsewhere_is_running_and_cannot_be_recorded_in_time(
    stores: Stores,
) -> None:
    store = stores.new(busy_seconds=0.1)
    merchant = ids.new()
    async with HeldKey(stores, merchant):
        assert await store.is_running(merchant, "a key")
        assert not await store.is_running(merchant, "another key")
        assert not await store.is_running(ids.new(), "a key")
        with pytest.raises(KeyInProgress):
            await store.record(a_record(merchant))
        assert (await store.record(a_record(merchant, "another key"))).fresh
    assert not await store.is_running(merchant, "a key")
    assert (await store.record(a_record(merchant))).fresh
    assert await saved(stores.database, merchant) == each(2)


@with_locks_on_keys
@pytest.mark.parametrize("kind", ["order", "api key"])
async def test_a_key_that_becomes_free_in_time_is_recorded(stores: Stores, kind: str) -> None:
    clock = WatchedClock()
    store = stores.new(clock=clock)
    old = await with_an_old_key(stores)
    merchant = old.merchant_id
    record = (
        a_record(merchant)
        if kind == "order"
        else a_key_record(merchant, "a key", a_new_key(merchant).key, old)
    )
    async with asyncio.TaskGroup() as group:
        async with HeldKey(stores, merchant):
            clock.looked_at.clear()
            waiting = group.create_task(store.record(record))
            await clock.looked_at.wait()
        assert (await waiting).fresh


@with_locks_on_keys
async def test_duplicates_of_a_busy_key_never_stand_in_the_way_of_other_keys(
    stores: Stores,
) -> None:
    # Far more duplicates than connections; whoever waited on a connection would take them all.
    store = stores.new(busy_seconds=60, limits=PoolLimits(size=3, wait_seconds=5))
    merchant = ids.new()
    async with asyncio.TaskGroup() as group:
        async with HeldKey(stores, merchant):
            duplicates = [group.create_task(store.record(a_record(merchant))) for _ in range(100)]
            others = [a_record(merchant, f"key {number}") for number in range(20)]
            assert all(standing.fresh for standing in await record_all([store], others))
            assert not any(duplicate.done() for duplicate in duplicates)
        assert [(await duplicate).fresh for duplicate in duplicates].count(True) == 1
    assert await saved(stores.database, merchant) == each(21)


async def test_a_key_that_stopped_running_is_found(stores: Stores) -> None:
    store, merchant = stores.new(), ids.new()
    onlooker = stores.new() if stores.on_postgresql else store
    for number in range(30):
        key = f"key {number}"
        recording = asyncio.create_task(store.record(a_record(merchant, key)))
        ran = False
        while not recording.done():
            runs = await onlooker.is_running(merchant, key)
            found = await onlooker.find(merchant, key)
            assert found is not None or runs or not ran
            ran = ran or runs
        assert (await recording).fresh
        assert not await onlooker.is_running(merchant, key)


# Answers that are no longer kept.


async def test_expired_bodies_go_and_everything_else_stays(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchant = ids.new()
    expired = a_record(merchant, "expired", expires_at=NOW)
    kept = a_record(merchant, "kept", expires_at=NOW + timedelta(microseconds=1))
    await record_all([store], [expired, kept])
    assert await store.drop_expired_bodies(NOW, 10) == 1
    assert await store.find(merchant, "expired") == replace(expired.answer, body=None)
    assert await store.find(merchant, "kept") == kept.answer
    assert await store.drop_expired_bodies(NOW, 10) == 0
    assert await saved(stores.database, merchant) == each(2)


async def test_a_key_whose_body_is_gone_is_used_for_ever(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchant = ids.new()
    record = a_record(merchant, expires_at=NOW)
    await store.record(record)
    await store.drop_expired_bodies(NOW, 10)
    standing = await stores.new().record(a_record(merchant))
    assert standing == Standing(answer=replace(record.answer, body=None), fresh=False)
    assert await saved(stores.database, merchant) == each(1)


async def test_bodies_go_in_batches_the_oldest_first(
    stores: Stores, store: IdempotencyStore
) -> None:
    merchant = ids.new()
    await with_answers(stores, merchant, [NOW - timedelta(minutes=n) for n in range(2_000)])
    assert await store.drop_expired_bodies(NOW, 7) == 7
    assert await bodies(stores, merchant) == 1_993
    for minutes in range(1_993, 2_000):
        answer = await store.find(merchant, f"key {minutes}")
        assert answer is not None
        assert answer.body is None
    assert await store.drop_expired_bodies(NOW - timedelta(minutes=1_990), 100) == 3
    assert await bodies(stores, merchant) == 1_990


async def test_two_that_clear_at_once_share_the_work(stores: Stores) -> None:
    """Also where the planner takes the table for an empty one."""
    merchant = ids.new()
    async with stores.database.transaction() as connection:
        await connection.execute(text("ANALYZE idempotency_keys"))
    await with_answers(stores, merchant, [NOW] * 300)
    one, other = stores.new(), stores.new()
    cleared = await asyncio.gather(
        *(store.drop_expired_bodies(NOW, 50) for store in (one, other) for _ in range(3))
    )
    while batch := await one.drop_expired_bodies(NOW, 50):
        cleared.append(batch)
    assert sum(cleared) == 300
    assert max(cleared) <= 50
    assert await bodies(stores, merchant) == 0


async def with_answers(stores: Stores, merchant_id: UUID, expiries: Sequence[datetime]) -> None:
    """Answers "key 0" and so on, without the orders that they would tell of."""
    template = a_record(merchant_id).answer
    rows = [
        answer_to_row(replace(template, key=f"key {number}", expires_at=expires_at))
        for number, expires_at in enumerate(expiries)
    ]
    async with stores.database.transaction() as connection:
        await connection.execute(insert(idempotency_keys), rows)


async def bodies(stores: Stores, merchant_id: UUID) -> int:
    keys = idempotency_keys.c
    query = select(func.count(keys.body)).where(keys.merchant_id == merchant_id)
    async with stores.database.statement() as connection:
        return await connection.scalar(query) or 0
