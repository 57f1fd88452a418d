"""Many orders in one statement: what one of them does to the others, which is nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, func, insert, select, text

from adapters.sql.database import Database, PoolLimits
from adapters.sql.recording import lock_key_of
from adapters.sql.rows import answer_to_row
from adapters.sql.tables import idempotency_keys
from application.ports.faults import KeyInProgress, OutcomeUnknown, StorageUnavailable
from application.ports.idempotency import Record, Standing
from tests.adapters.watched_store import WatchedStore
from tests.databases import closing, each, saved
from tests.examples import a_key_record, a_new_key, a_placement, a_record, a_request, ids

pytestmark = pytest.mark.anyio

HURRIED = PoolLimits(lock_seconds=0.1)


@pytest.fixture
async def store(postgresql_database: Database) -> WatchedStore:
    return WatchedStore(postgresql_database)


def some_records(merchant_id: UUID, count: int) -> list[Record]:
    return [a_record(merchant_id, f"key {number}") for number in range(count)]


def keys_of(records: Sequence[Record]) -> list[str]:
    return [record.answer.key for record in records]


def fresh(records: Sequence[Record]) -> list[Standing]:
    return [Standing(answer=record.answer, fresh=True) for record in records]


def a_bad_record(merchant_id: UUID, **request: Any) -> Record:
    """One that the database refuses; what comes by HTTP is refused before."""
    change = a_placement(merchant_id, "bad", request=a_request(**request))
    return a_record(merchant_id, "bad", change=change)


def assert_refused(outcome: object) -> None:
    """For what it is, and with nothing saved: not for the sake of the database."""
    assert isinstance(outcome, Exception)
    assert not isinstance(outcome, OutcomeUnknown | StorageUnavailable)


# One that is bad.


@pytest.mark.parametrize("company", [0, 1, 19], ids=lambda company: f"with {company} good ones")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("customer_id", "x" * 129),
        ("invoice_id", "é" * 129),
        ("payment_method", "x" * 256),
        ("description", "one\0two"),
    ],
    ids=["customer", "invoice", "payment method", "description"],
)
async def test_what_a_column_refuses_is_refused_whole_and_the_others_are_saved(
    postgresql_database: Database, store: WatchedStore, column: str, value: str, company: int
) -> None:
    merchant_id = ids.new()
    good = some_records(merchant_id, company)
    bad = a_bad_record(merchant_id, **{column: value})
    records = [*good[: company // 2], bad, *good[company // 2 :]]
    told = await store.record_at_once(records)
    assert_refused(told.pop(company // 2))
    assert told == fresh(good)
    assert store.batches == [keys_of(records)]
    assert sorted(store.alone) == sorted(keys_of(records))
    assert await saved(postgresql_database, merchant_id) == each(company)
    assert await store.find(merchant_id, "bad") is None
    # The key is not burned.
    assert await store.record(a_record(merchant_id, "bad")) is not None
    assert await saved(postgresql_database, merchant_id) == each(company + 1)


async def test_a_key_that_is_too_long_is_refused_and_never_cut(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    good, bad = some_records(merchant_id, 3), a_record(merchant_id, "k" * 256)
    told = await store.record_at_once([*good, bad])
    assert_refused(told.pop())
    assert told == fresh(good)
    assert await saved(postgresql_database, merchant_id) == each(3)
    assert await store.find(merchant_id, "k" * 255) is None


async def test_an_order_that_exists_already_spoils_nothing_but_itself(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    earlier = a_record(merchant_id, "earlier")
    assert (await store.record(earlier)).fresh
    again = a_placement(merchant_id, "again", order_id=earlier.answer.resource_id)
    good = some_records(merchant_id, 9)
    told = await store.record_at_once([*good, a_record(merchant_id, "again", change=again)])
    assert_refused(told.pop())
    assert told == fresh(good)
    assert await saved(postgresql_database, merchant_id) == each(10)
    assert await store.find(merchant_id, "earlier") == earlier.answer


async def test_when_several_are_bad_each_hears_of_its_own(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    records = some_records(merchant_id, 20)
    for number in (0, 1, 7, 19):
        change = a_placement(merchant_id, f"bad {number}", request=a_request(invoice_id="x" * 129))
        records[number] = a_record(merchant_id, f"bad {number}", change=change)
    told = await store.record_at_once(records)
    refused = [number for number, outcome in enumerate(told) if isinstance(outcome, Exception)]
    assert refused == [0, 1, 7, 19]
    assert len({id(told[number]) for number in refused}) == 4
    assert await saved(postgresql_database, merchant_id) == each(16)


async def test_the_connections_are_whole_after_refusals(
    postgresql_url: str, postgresql_database: Database
) -> None:
    """More refusals than there are connections of either sort."""
    merchant_id = ids.new()
    async with closing(Database(postgresql_url, PoolLimits(size=2, wait_seconds=1))) as database:
        store = WatchedStore(database)
        for _ in range(6):
            (outcome,) = await store.record_at_once([a_bad_record(merchant_id, customer_id="\0")])
            assert_refused(outcome)
        assert await store.record_at_once(good := some_records(merchant_id, 5)) == fresh(good)
    assert await saved(postgresql_database, merchant_id) == each(5)


# One key twice.


async def test_of_duplicates_in_one_batch_one_is_made_and_the_others_get_its_answer(
    postgresql_database: Database, store: WatchedStore
) -> None:
    """Without a single flight in front, which would not let them come here."""
    merchant_id = ids.new()
    records = [a_record(merchant_id, f"key {number % 3}") for number in range(12)]
    told = await store.record_at_once(records)
    assert store.batches == [keys_of(records)]
    standings = [standing for standing in told if isinstance(standing, Standing)]
    assert [standing.fresh for standing in standings].count(True) == 3
    for number in range(3):
        answers = {repr(standing.answer) for standing in standings[number::3]}
        assert len(answers) == 1
    for standing, record in zip(standings, records, strict=True):
        assert standing.fresh == (standing.answer == record.answer)
    assert await saved(postgresql_database, merchant_id) == each(3)
    assert store.alone == []


async def test_of_different_payloads_under_one_key_in_one_batch_one_stands(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    records = [
        a_record(
            merchant_id,
            "the key",
            change=a_placement(merchant_id, "the key", request=a_request(description=f"{number}")),
            body={"amount_cents": number},
        )
        for number in range(10)
    ]
    told = await store.record_at_once(records)
    standings = [standing for standing in told if isinstance(standing, Standing)]
    assert [standing.fresh for standing in standings].count(True) == 1
    (winner,) = (record for record in records if record.answer == standings[0].answer)
    assert all(standing.answer == winner.answer for standing in standings)
    assert await saved(postgresql_database, merchant_id) == each(1)


async def test_one_key_of_two_merchants_in_one_batch_is_two_keys(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchants = [ids.new() for _ in range(5)]
    records = [a_record(merchant_id) for merchant_id in merchants]
    assert await store.record_at_once(records) == fresh(records)
    assert len(store.batches) == 1
    for merchant_id in merchants:
        assert await saved(postgresql_database, merchant_id) == each(1)


async def test_repeats_are_answered_by_the_statement_that_finds_them(
    store: WatchedStore,
) -> None:
    merchant_id = ids.new()
    records = some_records(merchant_id, 10)
    await store.record_at_once(records[:5])
    retries = some_records(merchant_id, 10)
    told = await store.record_at_once(retries)
    assert told[:5] == [Standing(answer=record.answer, fresh=False) for record in records[:5]]
    assert told[5:] == fresh(retries[5:])
    assert store.met == {"MADE": 10, "ANSWERED": 5}


# Keys that somebody else holds.


@asynccontextmanager
async def held_elsewhere(database: Database, *identities: tuple[UUID, str]) -> AsyncIterator[None]:
    """Another process works under these keys."""
    async with database.transaction() as connection:
        for merchant_id, key in identities:
            lock = select(func.pg_advisory_xact_lock(lock_key_of(merchant_id, key)))
            await connection.execute(lock)
        yield


async def test_keys_held_elsewhere_are_busy_and_the_others_do_not_wait(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    records = some_records(merchant_id, 20)
    held = [(merchant_id, f"key {number}") for number in (3, 4, 11)]
    async with asyncio.TaskGroup() as group, held_elsewhere(postgresql_database, *held):
        recording = [group.create_task(store.record(record)) for record in records]
        others = [task for number, task in enumerate(recording) if number not in (3, 4, 11)]
        assert all(standing.fresh for standing in await asyncio.gather(*others))
        assert store.batches[0] == keys_of(records)
        assert store.met["BUSY"] >= 3
        assert not any(recording[number].done() for number in (3, 4, 11))
        assert await saved(postgresql_database, merchant_id) == each(17)
    assert [task.result() for task in recording] == fresh(records)
    assert await saved(postgresql_database, merchant_id) == each(20)
    assert store.alone == []


async def test_a_key_that_stays_busy_is_in_progress_and_nothing_of_it_is_saved(
    postgresql_database: Database,
) -> None:
    store = WatchedStore(postgresql_database, busy_seconds=0.1)
    merchant_id = ids.new()
    records = some_records(merchant_id, 5)
    async with held_elsewhere(postgresql_database, (merchant_id, "key 2")):
        told = await store.record_at_once(records)
        assert isinstance(told.pop(2), KeyInProgress)
        assert told == fresh([record for record in records if record.answer.key != "key 2"])
        assert await saved(postgresql_database, merchant_id) == each(4)
    assert (await store.record(records[2])).fresh


async def test_a_claim_by_someone_who_takes_no_lock_holds_up_only_its_own_key(
    postgresql_database: Database, postgresql_url: str
) -> None:
    """Nothing of ours does that; the row of the claim is waited for, and then given up."""
    merchant_id = ids.new()
    records = some_records(merchant_id, 6)
    async with (
        closing(Database(postgresql_url, HURRIED)) as hurried,
        postgresql_database.transaction() as other,
    ):
        await other.execute(insert(idempotency_keys).values(answer_to_row(records[2].answer)))
        store = WatchedStore(hurried)
        told = await store.record_at_once(records)
        assert isinstance(told.pop(2), StorageUnavailable)
        await other.run_sync(Connection.rollback)
    assert told == fresh(records[:2] + records[3:])
    assert await saved(postgresql_database, merchant_id) == each(5)


async def test_behind_a_lock_on_the_table_they_do_not_wait_one_after_the_other(
    postgresql_database: Database, postgresql_url: str
) -> None:
    """A migration's, for one. All are told before long, and none is saved by halves."""
    merchant_id = ids.new()
    records = some_records(merchant_id, 50)
    async with (
        closing(Database(postgresql_url, HURRIED)) as hurried,
        postgresql_database.transaction() as other,
    ):
        store = WatchedStore(hurried)
        await other.execute(text("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE"))
        told = await store.record_at_once(records)
        assert [type(outcome) for outcome in told] == [StorageUnavailable] * 50
        # Each was tried at most three times, and each time two stood for all of them.
        assert len(store.alone) <= 2 * len(store.batches) <= 6 * 3
        await other.run_sync(Connection.rollback)
    assert await saved(postgresql_database, merchant_id) == each(0)
    assert await WatchedStore(postgresql_database).record_at_once(records) == fresh(records)


# Whom a batch takes.


async def test_orders_of_another_kind_go_in_another_batch(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    records = [
        a_record(merchant_id, f"key {number}", route="POST /v2/orders" if number % 2 else "POST /")
        for number in range(8)
    ]
    assert await store.record_at_once(records) == fresh(records)
    assert store.batches == [keys_of(records)[::2], keys_of(records)[1::2]]
    assert [await store.find(merchant_id, key) for key in keys_of(records)] == [
        record.answer for record in records
    ]
    assert await saved(postgresql_database, merchant_id) == each(8)


async def test_api_keys_are_recorded_beside_them(
    postgresql_database: Database, store: WatchedStore
) -> None:
    merchant_id = ids.new()
    orders = some_records(merchant_id, 5)
    issued = a_key_record(merchant_id, "for an API key", a_new_key(merchant_id).key)
    *told, refused = await store.record_at_once([*orders, issued])
    assert told == fresh(orders)
    # There is no such merchant.
    assert_refused(refused)
    assert store.batches == [keys_of(orders)]
    assert await saved(postgresql_database, merchant_id) == each(5)


# A schema that changes meanwhile.


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("orders ADD COLUMN extra text", "orders DROP COLUMN extra"),
        (
            "idempotency_keys ALTER COLUMN location TYPE varchar(1000)",
            "idempotency_keys ALTER COLUMN location TYPE text",
        ),
    ],
    ids=["a new column", "another type"],
)
async def test_a_migration_under_load_is_not_noticed(
    postgresql_database: Database, store: WatchedStore, change: str, back: str
) -> None:
    """The statements were prepared for the old schema."""
    merchant_id = ids.new()
    count = 0
    for statement in (change, back):
        # So many that the server has made up its mind how to carry them out.
        for _ in range(8):
            records = [a_record(merchant_id, f"key {count + number}") for number in range(3)]
            assert await store.record_at_once(records) == fresh(records)
            alone = a_record(merchant_id, f"key {count + 3}")
            assert await store.record(alone) == Standing(answer=alone.answer, fresh=True)
            count += 4
        async with postgresql_database.transaction() as migration:
            await migration.execute(text(f"ALTER TABLE {statement}"))
        repeats = [a_record(merchant_id, f"key {number}") for number in range(3)]
        told = await store.record_at_once(repeats)
        assert [getattr(each, "fresh", each) for each in told] == [False] * 3
    records = [a_record(merchant_id, f"key {count + number}") for number in range(3)]
    assert await store.record_at_once(records) == fresh(records)
    assert await saved(postgresql_database, merchant_id) == each(count + 3)
