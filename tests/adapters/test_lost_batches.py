"""The connection breaks at the commit of a batch: each of its callers is told the truth."""

import pytest

from adapters.sql.database import Database
from application.ports.faults import OutcomeUnknown
from application.ports.idempotency import Record, Standing
from tests.adapters.cutter import Cutter
from tests.adapters.watched_store import WatchedStore
from tests.databases import closing, each, saved
from tests.examples import a_record, ids

pytestmark = pytest.mark.anyio

MANY = 20

either_way = pytest.mark.parametrize("before", [False, True], ids=["committed", "not committed"])


@pytest.fixture
def records() -> list[Record]:
    merchant_id = ids.new()
    return [a_record(merchant_id, f"key {number}") for number in range(MANY)]


def keys_of(records: list[Record]) -> list[str]:
    return [record.answer.key for record in records]


@either_way
@pytest.mark.parametrize("cuts", [1, 3])
async def test_all_find_out_that_their_orders_were_placed(
    postgresql_url: str,
    postgresql_database: Database,
    records: list[Record],
    before: bool,
    cuts: int,
) -> None:
    cutter = Cutter(postgresql_url, cuts=cuts, before=before)
    async with cutter.between() as url, closing(Database(url)) as database:
        store = WatchedStore(database)
        told = await store.record_at_once(records)
    assert told == [Standing(answer=record.answer, fresh=True) for record in records]
    assert cutter.cuts == 0
    assert store.batches[0] == keys_of(records)
    assert len(store.batches) > cuts
    assert store.alone == []
    assert await saved(postgresql_database, records[0].answer.merchant_id) == each(MANY)


@either_way
async def test_what_none_can_find_out_is_unknown_to_each_and_a_retry_tells(
    postgresql_url: str, postgresql_database: Database, records: list[Record], before: bool
) -> None:
    cutter = Cutter(postgresql_url, cuts=1, and_closes=True, before=before)
    async with cutter.between() as url, closing(Database(url)) as database:
        store = WatchedStore(database, unknown_seconds=0.3)
        told = await store.record_at_once(records)
    assert [type(each) for each in told] == [OutcomeUnknown] * MANY
    assert len({id(each) for each in told}) == MANY
    assert store.batches[0] == keys_of(records)
    merchant_id = records[0].answer.merchant_id
    retries = [a_record(merchant_id, key) for key in keys_of(records)]
    again = await WatchedStore(postgresql_database).record_at_once(retries)
    # The first attempt stands if it was committed, else the second is the first.
    stand = retries if before else records
    assert again == [Standing(answer=record.answer, fresh=before) for record in stand]
    assert await saved(postgresql_database, merchant_id) == each(MANY)


async def test_a_repeat_in_a_batch_that_breaks_has_the_first_answer(
    postgresql_url: str, postgresql_database: Database, records: list[Record]
) -> None:
    """Half of the keys were used before; the connection breaks, and all go again."""
    merchant_id = records[0].answer.merchant_id
    assert all(await WatchedStore(postgresql_database).record_at_once(records[::2]))
    cutter = Cutter(postgresql_url, cuts=1, before=True)
    retries = [a_record(merchant_id, key) for key in keys_of(records)]
    async with cutter.between() as url, closing(Database(url)) as database:
        told = await WatchedStore(database).record_at_once(retries)
    assert cutter.cuts == 0
    assert told[::2] == [Standing(answer=record.answer, fresh=False) for record in records[::2]]
    assert told[1::2] == [Standing(answer=record.answer, fresh=True) for record in retries[1::2]]
    assert await saved(postgresql_database, merchant_id) == each(MANY)
