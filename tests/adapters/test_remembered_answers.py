"""What a process remembers of its latest answers: never too much, never a secret."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from adapters.memory.replays import RememberedAnswers
from adapters.sql.database import Database
from adapters.sql.merchants import SqlMerchants
from adapters.vault import AesGcmVault
from application.errors import IdempotencyKeyExpired
from application.once import Claim, Made, Once
from application.ports.idempotency import StoredAnswer
from tests.adapters.watched_store import WatchedStore
from tests.examples import a_key_record, a_merchant, a_new_key, a_record, ids
from tests.fakes import NOW, FakeClock

pytestmark = pytest.mark.anyio

BODY = len(a_record(ids.new()).answer.body or b"")


class Recalling(WatchedStore):
    """Has answers at hand, as a Redis would, and counts who asks."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.at_hand: dict[str, StoredAnswer] = {}
        self.asked: list[str] = []

    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        self.asked.append(key)
        return self.at_hand.get(key)


@pytest.fixture
def inner(sqlite_database: Database) -> Recalling:
    return Recalling(sqlite_database)


MERCHANT = ids.new()


async def recorded(remembered: RememberedAnswers, key: str) -> StoredAnswer:
    record = a_record(MERCHANT, key)
    assert (await remembered.record(record)).fresh
    return record.answer


async def remembers(remembered: RememberedAnswers, inner: Recalling, *keys: str) -> list[str]:
    """Those of the keys that are remembered; asked from the newest, which changes no order."""
    found = []
    for key in reversed(keys):
        before = len(inner.asked)
        await remembered.recall(MERCHANT, key)
        if len(inner.asked) == before:
            found.append(key)
    return found[::-1]


async def test_what_was_recorded_is_remembered_and_nobody_else_is_asked(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner)
    answer = await recorded(remembered, "a key")
    for _ in range(3):
        assert await remembered.recall(MERCHANT, "a key") == answer
    assert inner.asked == []
    assert await remembered.recall(ids.new(), "a key") is None
    assert await remembered.recall(MERCHANT, "another key") is None


async def test_a_repeat_remembers_the_first_answer_not_its_own(inner: Recalling) -> None:
    first = a_record(MERCHANT, "a key")
    await inner.record(first)
    remembered = RememberedAnswers(inner)
    assert not (await remembered.record(a_record(MERCHANT, "a key"))).fresh
    assert await remembered.recall(MERCHANT, "a key") == first.answer
    assert inner.asked == []


async def test_what_was_recalled_is_remembered(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner)
    inner.at_hand["a key"] = answer = a_record(MERCHANT, "a key").answer
    assert [await remembered.recall(MERCHANT, "a key") for _ in range(3)] == [answer] * 3
    assert inner.asked == ["a key"]


async def test_what_failed_is_not_remembered(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner)
    record = a_record(MERCHANT, "a key")
    with pytest.raises(ValueError, match="document"):
        await remembered.record(replace(record, document=None))
    assert await remembered.recall(MERCHANT, "a key") is None


async def test_the_least_recently_used_goes_first(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner, most_answers=3)
    for key in "abc":
        await recorded(remembered, key)
    await remembered.recall(MERCHANT, "a")
    await recorded(remembered, "d")
    assert await remembers(remembered, inner, *"bcad") == ["c", "a", "d"]


async def test_a_repeat_that_is_recorded_counts_as_use(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner, most_answers=2)
    for key in "ab":
        await recorded(remembered, key)
    await remembered.record(a_record(MERCHANT, "a"))
    await recorded(remembered, "c")
    assert await remembers(remembered, inner, *"abc") == ["a", "c"]


async def test_there_are_never_more_bytes_than_was_said(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner, most_bytes=3 * BODY)
    for number in range(20):
        await recorded(remembered, f"{number}")
        kept = [each.body or b"" for each in remembered._answers.values()]
        assert sum(map(len, kept)) == remembered._bytes <= 3 * BODY
    assert await remembers(remembered, inner, "16", "17", "18", "19") == ["17", "18", "19"]


async def test_one_that_is_larger_than_all_room_is_not_kept(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner, most_bytes=BODY - 1)
    await recorded(remembered, "a key")
    assert await remembers(remembered, inner, "a key") == []
    assert remembered._bytes == 0


async def test_the_same_again_takes_no_more_room(inner: Recalling) -> None:
    remembered = RememberedAnswers(inner)
    answer = await recorded(remembered, "a key")
    for _ in range(10):
        await remembered.record(a_record(MERCHANT, "a key"))
    assert remembered._bytes == len(answer.body or b"")
    assert len(remembered._answers) == 1


async def test_a_secret_is_never_kept(inner: Recalling, sqlite_database: Database) -> None:
    remembered = RememberedAnswers(inner)
    merchant = a_merchant()
    await SqlMerchants(sqlite_database).add(merchant, a_new_key(merchant.id).key)
    record = a_key_record(merchant.id, "a key", a_new_key(merchant.id).key)
    assert record.answer.sealed
    for _ in range(2):
        await remembered.record(record)
    inner.at_hand["recalled"] = replace(record.answer, key="recalled")
    for _ in range(2):
        assert await remembered.recall(merchant.id, "recalled") is not None
    assert len(remembered._answers) == 0
    assert inner.asked == ["recalled"] * 2


async def test_an_answer_that_is_no_longer_kept_is_not_remembered(inner: Recalling) -> None:
    await inner.record(a_record(MERCHANT, "a key", expires_at=NOW))
    assert await inner.drop_expired_bodies(NOW, 10) == 1
    remembered = RememberedAnswers(inner)
    standing = await remembered.record(a_record(MERCHANT, "a key"))
    assert (standing.fresh, standing.answer.body) == (False, None)
    assert await remembers(remembered, inner, "a key") == []


async def test_what_is_remembered_past_its_time_has_expired_all_the_same(
    inner: Recalling,
) -> None:
    record, clock = a_record(MERCHANT, "a key", body={"sent": 1}), FakeClock()
    remembered = RememberedAnswers(inner)
    await remembered.record(record)
    once = Once(answers=remembered, vault=AesGcmVault(b"k" * 32), clock=clock)
    answer = record.answer
    claim = Claim(merchant_id=MERCHANT, key="a key", route=answer.route, body={"sent": 1})

    async def never(now: datetime) -> Made:
        raise AssertionError("made again")

    clock.advance(answer.expires_at - NOW - timedelta(microseconds=1))
    assert (await once(claim, never)).body == answer.body
    clock.advance(timedelta(microseconds=1))
    with pytest.raises(IdempotencyKeyExpired):
        await once(claim, never)
    assert inner.asked == []
