"""What `application/ports/api_keys.py` promises, over SQL and over what one process remembers."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.memory.api_keys import RememberedApiKeys
from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import Database
from adapters.sql.merchants import SqlMerchants
from application.ports.api_keys import ApiKeys
from application.ports.faults import StorageUnavailable
from domain.merchant import ApiKey, Merchant
from tests.examples import a_merchant, a_new_key, ids
from tests.fakes import NOW, FakeClock

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)

Open = Callable[[], ApiKeys]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sql", "remembered"])
def open_api_keys(request: pytest.FixtureRequest, database: Database, clock: FakeClock) -> Open:
    """Opens the keys as one more process would."""
    if request.param == "sql":
        return lambda: SqlApiKeys(database)
    return lambda: RememberedApiKeys(SqlApiKeys(database), clock)


@pytest.fixture
def api_keys(open_api_keys: Open) -> ApiKeys:
    return open_api_keys()


@pytest.fixture
async def merchant(database: Database) -> Merchant:
    return await with_merchant(database)


async def with_merchant(database: Database) -> Merchant:
    merchant = a_merchant()
    # Older than any other of its keys.
    first = a_new_key(merchant.id, now=NOW - timedelta(days=1)).key
    await SqlMerchants(database).add(merchant, first)
    return merchant


async def test_a_key_that_was_added_is_found_in_every_way(
    api_keys: ApiKeys, merchant: Merchant
) -> None:
    key = a_new_key(merchant.id).key
    await api_keys.add(key)
    assert await api_keys.with_prefix(key.prefix) == (key,)
    assert await api_keys.get(merchant.id, key.id) == key
    assert (await api_keys.page(merchant.id, None, 1)).items == (key,)


async def test_an_unknown_key_and_another_merchants_cannot_be_told_apart(
    database: Database, api_keys: ApiKeys, merchant: Merchant
) -> None:
    stranger = await with_merchant(database)
    key = a_new_key(merchant.id).key
    await api_keys.add(key)
    assert await api_keys.get(merchant.id, ids.new()) is None
    assert await api_keys.get(stranger.id, key.id) is None
    assert key not in (await api_keys.page(stranger.id, None, 9)).items


async def test_keys_of_any_merchant_share_a_prefix(
    database: Database, api_keys: ApiKeys, merchant: Merchant
) -> None:
    stranger = await with_merchant(database)
    key = a_new_key(merchant.id).key
    twin = a_new_key(stranger.id, prefix=key.prefix).key
    for added in (key, twin, a_new_key(merchant.id).key):
        await api_keys.add(added)
    assert set(await api_keys.with_prefix(key.prefix)) == {key, twin}


async def test_a_prefix_is_exact(api_keys: ApiKeys, merchant: Merchant) -> None:
    key = a_new_key(merchant.id, prefix="hk_test_AbCdEfGh").key
    await api_keys.add(key)
    for other in ("hk_test_abcdefgh", "hk_test_AbCdEfG", "hk_test_AbCdEfGh ", "hk_test_%", ""):
        assert await api_keys.with_prefix(other) == ()


async def test_keys_are_listed_newest_first_page_by_page(
    api_keys: ApiKeys, merchant: Merchant
) -> None:
    keys = [a_new_key(merchant.id, now=NOW + (number // 3) * SECOND).key for number in range(8)]
    for key in keys:
        await api_keys.add(key)
    keys.sort(key=lambda key: (key.created_at, key.id), reverse=True)
    for limit in (1, 2, 3, 4, 9):
        page = await api_keys.page(merchant.id, None, limit)
        found = [*page.items]
        while page.next is not None:
            assert len(page.items) == limit
            page = await api_keys.page(merchant.id, page.next, limit)
            found += page.items
        *newer, _first = found
        assert newer == keys


async def test_an_end_counts_at_once_where_it_was_set(
    api_keys: ApiKeys, merchant: Merchant
) -> None:
    key = a_new_key(merchant.id).key
    await api_keys.add(key)
    assert await api_keys.with_prefix(key.prefix) == (key,)
    ended = key.revoke(NOW)
    await api_keys.revoke(ended)
    assert await api_keys.with_prefix(key.prefix) == (ended,)
    assert await api_keys.get(merchant.id, key.id) == ended


async def test_an_end_counts_within_a_second_everywhere_else(
    open_api_keys: Open, merchant: Merchant, clock: FakeClock
) -> None:
    here, elsewhere = open_api_keys(), open_api_keys()
    key = a_new_key(merchant.id).key
    await here.add(key)
    assert await elsewhere.with_prefix(key.prefix) == (key,)
    await here.revoke(key.revoke(NOW))
    clock.advance(SECOND - timedelta(milliseconds=1))
    assert await elsewhere.with_prefix(key.prefix) == (key.revoke(NOW),)


async def test_a_key_added_elsewhere_works_at_once_even_if_it_was_asked_for_before(
    open_api_keys: Open, merchant: Merchant
) -> None:
    here, elsewhere = open_api_keys(), open_api_keys()
    key = a_new_key(merchant.id).key
    assert await elsewhere.with_prefix(key.prefix) == ()
    await here.add(key)
    assert await elsewhere.with_prefix(key.prefix) == (key,)


async def test_a_twin_added_here_is_found_at_once(api_keys: ApiKeys, merchant: Merchant) -> None:
    key = a_new_key(merchant.id).key
    twin = a_new_key(merchant.id, prefix=key.prefix).key
    await api_keys.add(key)
    assert await api_keys.with_prefix(key.prefix) == (key,)
    await api_keys.add(twin)
    assert set(await api_keys.with_prefix(key.prefix)) == {key, twin}


async def test_what_is_forgotten_is_asked_anew(
    open_api_keys: Open, api_keys: ApiKeys, merchant: Merchant
) -> None:
    key = a_new_key(merchant.id).key
    await api_keys.add(key)
    assert await api_keys.with_prefix(key.prefix) == (key,)
    await open_api_keys().revoke(key.revoke(NOW))
    api_keys.forget(key.prefix)
    api_keys.forget("hk_test_unknown")
    assert await api_keys.with_prefix(key.prefix) == (key.revoke(NOW),)


async def test_a_revoked_key_never_comes_back(api_keys: ApiKeys, merchant: Merchant) -> None:
    key = a_new_key(merchant.id).key
    await api_keys.add(key)
    await api_keys.revoke(key.revoke(NOW))
    # One that had read the key before it was revoked.
    await api_keys.revoke(key.revoke(NOW + MINUTE))
    found = await api_keys.get(key.merchant_id, key.id)
    assert found is not None
    assert found.revoked_at == NOW


async def test_a_revocation_changes_nothing_else(
    database: Database, api_keys: ApiKeys, merchant: Merchant
) -> None:
    stranger = await with_merchant(database)
    key = a_new_key(merchant.id).key
    await api_keys.add(key)
    await api_keys.revoke(replace(key, name="other", scopes=frozenset(), digest=b"", prefix="x"))
    await api_keys.revoke(replace(key, merchant_id=stranger.id, revoked_at=NOW))
    assert await api_keys.get(merchant.id, key.id) == key


async def test_the_last_use_is_remembered_and_never_goes_back(
    open_api_keys: Open, merchant: Merchant
) -> None:
    key = a_new_key(merchant.id).key
    await open_api_keys().add(key)
    for used_at, noted in ((NOW, NOW), (NOW + MINUTE, NOW + MINUTE), (NOW, NOW + MINUTE)):
        toucher = open_api_keys()
        await toucher.touch(key, used_at)
        await toucher.drain()
        found = await open_api_keys().get(merchant.id, key.id)
        assert found == replace(key, last_used_at=noted)


class WatchedKeys(SqlApiKeys):
    """The store behind the memory: counts what it is asked, can fail, can be slow to answer."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = 0
        self.touched = 0
        self.failing = False
        self.read = asyncio.Event()
        self.answer = asyncio.Event()
        self.answer.set()

    async def with_prefix(self, prefix: str) -> tuple[ApiKey, ...]:
        self.asked += 1
        if self.failing:
            raise StorageUnavailable("gone")
        found = await super().with_prefix(prefix)
        self.read.set()
        await self.answer.wait()
        return found

    async def touch(self, key: ApiKey, used_at: object) -> None:
        self.touched += 1


@pytest.fixture
def watched(sqlite_database: Database) -> WatchedKeys:
    return WatchedKeys(sqlite_database)


@pytest.fixture
def remembered(watched: WatchedKeys, clock: FakeClock) -> RememberedApiKeys:
    return RememberedApiKeys(watched, clock)


@pytest.fixture
async def key(sqlite_database: Database, watched: WatchedKeys) -> ApiKey:
    key = a_new_key((await with_merchant(sqlite_database)).id).key
    await watched.add(key)
    return key


async def test_a_remembered_key_is_not_asked_for_again_until_it_may_be_stale(
    remembered: RememberedApiKeys, watched: WatchedKeys, clock: FakeClock, key: ApiKey
) -> None:
    for _ in range(5):
        assert await remembered.with_prefix(key.prefix) == (key,)
    assert watched.asked == 1
    clock.advance(SECOND)
    assert await remembered.with_prefix(key.prefix) == (key,)
    assert watched.asked == 2


async def test_many_who_need_one_key_at_once_ask_once(
    remembered: RememberedApiKeys, watched: WatchedKeys, key: ApiKey
) -> None:
    found = await asyncio.gather(*(remembered.with_prefix(key.prefix) for _ in range(50)))
    assert set(found) == {(key,)}
    assert watched.asked == 1


async def test_an_answer_that_a_revocation_overtook_is_not_remembered(
    remembered: RememberedApiKeys, watched: WatchedKeys, key: ApiKey
) -> None:
    watched.answer.clear()
    early = asyncio.create_task(remembered.with_prefix(key.prefix))
    await watched.read.wait()
    await remembered.revoke(key.revoke(NOW))
    late = asyncio.create_task(remembered.with_prefix(key.prefix))
    watched.answer.set()
    assert await late == (key.revoke(NOW),)
    assert await early == (key,)
    assert await remembered.with_prefix(key.prefix) == (key.revoke(NOW),)


async def test_a_slow_answer_is_as_old_as_its_question(
    remembered: RememberedApiKeys, watched: WatchedKeys, clock: FakeClock, key: ApiKey
) -> None:
    watched.answer.clear()
    slow = asyncio.create_task(remembered.with_prefix(key.prefix))
    await watched.read.wait()
    await SqlApiKeys.revoke(watched, key.revoke(NOW))
    clock.advance(SECOND)
    watched.answer.set()
    assert await slow == (key,)
    assert await remembered.with_prefix(key.prefix) == (key.revoke(NOW),)


async def test_failures_are_not_remembered(
    remembered: RememberedApiKeys, watched: WatchedKeys, key: ApiKey
) -> None:
    watched.failing = True
    found = await asyncio.gather(
        *(remembered.with_prefix(key.prefix) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(failure, StorageUnavailable) for failure in found)
    watched.failing = False
    assert await remembered.with_prefix(key.prefix) == (key,)


async def test_unknown_prefixes_are_not_remembered(
    remembered: RememberedApiKeys, watched: WatchedKeys
) -> None:
    for number in range(3):
        assert await remembered.with_prefix("hk_test_unknown") == ()
        assert watched.asked == number + 1


async def test_one_who_stops_waiting_does_not_take_the_answer_from_the_others(
    remembered: RememberedApiKeys, watched: WatchedKeys, key: ApiKey
) -> None:
    watched.answer.clear()
    gone = asyncio.create_task(remembered.with_prefix(key.prefix))
    staying = asyncio.create_task(remembered.with_prefix(key.prefix))
    await watched.read.wait()
    gone.cancel()
    watched.answer.set()
    assert await staying == (key,)
    assert gone.cancelled()
    assert watched.asked == 1


async def test_a_use_is_passed_on_once_a_minute_for_each_key(
    remembered: RememberedApiKeys, watched: WatchedKeys, key: ApiKey
) -> None:
    other = replace(key, id=ids.new())
    for _ in range(3):
        await remembered.touch(key, NOW)
        await remembered.touch(other, NOW + MINUTE - timedelta(microseconds=1))
    await remembered.drain()
    assert watched.touched == 2
    await remembered.touch(key, NOW + MINUTE)
    await remembered.drain()
    assert watched.touched == 3


async def test_no_more_is_remembered_than_there_is_room_for(
    remembered: RememberedApiKeys,
    watched: WatchedKeys,
    key: ApiKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.memory.api_keys._MOST_REMEMBERED", 3)
    keys = [a_new_key(key.merchant_id).key for _ in range(10)]
    for added in keys:
        await watched.add(added)
        assert await remembered.with_prefix(added.prefix) == (added,)
        await remembered.touch(added, NOW)
    assert len(remembered._questions) <= 3
    assert len(remembered._touched) <= 3
