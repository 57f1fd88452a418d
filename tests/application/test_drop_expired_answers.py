"""Clearing the answers that need no longer be replayed."""

from datetime import datetime, timedelta

import pytest

from adapters.sql.idempotency import SqlIdempotencyStore
from application.drop_expired_answers import BATCH, DropExpiredAnswers
from application.errors import IdempotencyKeyExpired
from application.place_order import PlaceOrderCommand
from tests.application.conftest import World
from tests.examples import a_record, a_request
from tests.fakes import NOW

pytestmark = pytest.mark.anyio


async def test_only_expired_answers_go_and_their_keys_stay_used(world: World) -> None:
    early = PlaceOrderCommand(claim=world.claim("early"), request=a_request())
    late = PlaceOrderCommand(claim=world.claim("late"), request=a_request())
    await world.place_order(early)
    world.clock.advance(timedelta(days=15))
    await world.place_order(late)
    drop = DropExpiredAnswers(answers=world.answers, clock=world.clock)
    assert await drop() == 0
    world.clock.advance(timedelta(days=15))
    assert await drop() == 1
    assert await drop() == 0
    with pytest.raises(IdempotencyKeyExpired):
        await world.place_order(early)
    assert (await world.place_order(late)).replayed


class CountedStore(SqlIdempotencyStore):
    """Remembers how many it was asked to clear each time."""

    def __init__(self, world: World) -> None:
        super().__init__(world.database, world.clock)
        self.batches: list[tuple[int, int]] = []

    async def drop_expired_bodies(self, now: datetime, limit: int) -> int:
        cleared = await super().drop_expired_bodies(now, limit)
        self.batches.append((limit, cleared))
        return cleared


@pytest.mark.parametrize(("expired", "batches"), [(0, [0]), (3, [3]), (4, [4, 0]), (9, [4, 4, 1])])
async def test_many_are_cleared_in_small_batches(
    world: World, monkeypatch: pytest.MonkeyPatch, expired: int, batches: list[int]
) -> None:
    monkeypatch.setattr("application.drop_expired_answers.BATCH", 4)
    store = CountedStore(world)
    for number in range(expired):
        await store.record(a_record(world.merchant_id, f"{number}", expires_at=NOW))
    assert await DropExpiredAnswers(answers=store, clock=world.clock)() == expired
    assert store.batches == [(4, cleared) for cleared in batches]


def test_a_batch_holds_its_locks_for_a_moment_only() -> None:
    assert BATCH <= 1000
