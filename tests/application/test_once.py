"""One key, one change, one answer: every branch of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from application.errors import (
    ApiKeyNotFound,
    IdempotencyKeyExpired,
    IdempotencyKeyReused,
    OrderNotFound,
    SecretNoLongerAvailable,
)
from application.fingerprint import fingerprint
from application.once import ANSWER_KEPT, SECRET_KEPT, Made
from application.ports.faults import StorageUnavailable
from application.ports.orders import OrderFilter
from domain.errors import DomainError
from domain.merchant import ApiKeyChange
from tests.application.conftest import World
from tests.examples import ROUTE, a_new_key, a_placement
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

INSTANT = timedelta(microseconds=1)


class Maker:
    """Makes a new thing each time it is asked, and remembers how often that was."""

    def __init__(self, world: World, key: str = "a key", *, secret: bool = False) -> None:
        self._world = world
        self._key = key
        self._secret = secret
        self.asked: list[datetime] = []
        self.made: list[Made] = []
        self.refusal: Exception | None = None

    async def __call__(self, now: datetime) -> Made:
        self.asked.append(now)
        if self.refusal is not None:
            raise self.refusal
        made = self._a_secret() if self._secret else self._an_order()
        self.made.append(made)
        return made

    def _an_order(self) -> Made:
        change = a_placement(self._world.merchant_id, self._key)
        return Made(
            resource_type="order",
            resource_id=change.order.id,
            location=f"/v1/orders/{change.order.id}",
            body=f'{{"made":{len(self.asked)}}}'.encode(),
            change=change,
            document=b"{}",
        )

    def _a_secret(self) -> Made:
        new = a_new_key(self._world.merchant_id)
        return Made(
            resource_type="api_key",
            resource_id=new.key.id,
            location=f"/v1/api-keys/{new.key.id}",
            body=new.text.encode(),
            change=ApiKeyChange(issued=new.key),
            holds_secret=True,
        )


async def number_of_orders(world: World) -> int:
    which = OrderFilter(merchant_id=world.merchant_id)
    return len((await world.orders.page(which, None, 100)).items)


async def test_the_first_request_gets_what_was_made(world: World) -> None:
    make = Maker(world)
    answer = await world.once(world.claim(a=1), make)
    assert not answer.replayed
    assert (answer.body, answer.location) == (make.made[0].body, make.made[0].location)
    assert make.asked == [NOW]


async def test_what_was_made_is_kept_under_the_key(world: World) -> None:
    make = Maker(world)
    await world.once(world.claim(a=1), make)
    stored = await world.answers.find(world.merchant_id, "a key")
    assert stored is not None
    assert (stored.status, stored.sealed) == (201, False)
    assert (stored.body, stored.resource_id) == (make.made[0].body, make.made[0].resource_id)
    assert (stored.created_at, stored.expires_at) == (NOW, NOW + timedelta(days=30))
    assert stored.fingerprint == fingerprint(ROUTE, {"a": 1})


async def test_a_repeat_gets_the_bytes_of_the_first_and_changes_nothing(world: World) -> None:
    make = Maker(world)
    first = await world.once(world.claim(a=1), make)
    for _ in range(3):
        world.clock.advance(timedelta(days=7))
        assert await world.once(world.claim(a=1), make) == replace(first, replayed=True)
    assert await number_of_orders(world) == 1


async def test_another_key_is_another_order(world: World) -> None:
    one = await world.once(world.claim("one", a=1), Maker(world, "one"))
    other = await world.once(world.claim("other", a=1), Maker(world, "other"))
    assert not other.replayed
    assert one.location != other.location


async def test_a_key_belongs_to_its_merchant_alone(world: World) -> None:
    await world.once(world.claim(a=1), Maker(world))
    stranger = replace(world.claim(a=2), merchant_id=world.ids.new())
    make = Maker(world)
    change = a_placement(stranger.merchant_id)

    async def make_for_the_stranger(now: datetime) -> Made:
        return replace(await make(now), resource_id=change.order.id, change=change)

    assert not (await world.once(stranger, make_for_the_stranger)).replayed


async def test_a_key_used_on_another_route_is_refused(world: World) -> None:
    await world.once(world.claim(a=1), Maker(world))
    with pytest.raises(IdempotencyKeyReused) as refusal:
        await world.once(world.claim(route="POST /v1/api-keys", a=1), Maker(world))
    assert refusal.value.differing == ()
    assert "on another route" in refusal.value.detail


async def test_a_key_used_with_other_members_is_refused_by_their_names(world: World) -> None:
    await world.once(world.claim(same=0, changed="1999", gone=True), Maker(world))
    with pytest.raises(IdempotencyKeyReused) as refusal:
        await world.once(world.claim(same=0, changed="2000", new=None), Maker(world))
    assert refusal.value.differing == ("changed", "gone", "new")
    assert "changed, gone, new" in refusal.value.detail
    assert "1999" not in refusal.value.detail
    assert "2000" not in refusal.value.detail
    assert await number_of_orders(world) == 1


async def test_an_answer_is_replayed_until_the_moment_it_expires(world: World) -> None:
    make = Maker(world)
    await world.once(world.claim(a=1), make)
    world.clock.advance(ANSWER_KEPT - INSTANT)
    assert (await world.once(world.claim(a=1), make)).replayed
    world.clock.advance(INSTANT)
    with pytest.raises(IdempotencyKeyExpired) as refusal:
        await world.once(world.claim(a=1), make)
    assert refusal.value.resource_id == make.made[0].resource_id
    assert str(make.made[0].resource_id) in refusal.value.detail
    assert await number_of_orders(world) == 1


async def test_an_answer_that_was_cleared_is_expired(world: World) -> None:
    make = Maker(world)
    await world.once(world.claim(a=1), make)
    # By the clock of another machine, which is ahead.
    await world.answers.drop_expired_bodies(NOW + ANSWER_KEPT, 10)
    with pytest.raises(IdempotencyKeyExpired):
        await world.once(world.claim(a=1), make)


async def test_an_expired_key_still_tells_another_request_that_it_was_used(world: World) -> None:
    await world.once(world.claim(a=1), Maker(world))
    world.clock.advance(ANSWER_KEPT)
    with pytest.raises(IdempotencyKeyReused):
        await world.once(world.claim(a=2), Maker(world))


async def test_a_secret_is_replayed_for_a_day_and_is_unreadable_where_it_is_kept(
    world: World,
) -> None:
    make = Maker(world, secret=True)
    first = await world.once(world.claim(a=1), make)
    stored = await world.answers.find(world.merchant_id, "a key")
    assert stored is not None
    assert stored.sealed
    assert stored.body is not None
    assert first.body not in stored.body
    world.clock.advance(SECRET_KEPT - INSTANT)
    assert await world.once(world.claim(a=1), make) == replace(first, replayed=True)


async def test_a_secret_is_no_longer_available_after_a_day(world: World) -> None:
    make = Maker(world, secret=True)
    await world.once(world.claim(a=1), make)
    world.clock.advance(SECRET_KEPT)
    with pytest.raises(SecretNoLongerAvailable) as refusal:
        await world.once(world.claim(a=1), make)
    assert refusal.value.resource_id == make.made[0].resource_id
    world.clock.advance(ANSWER_KEPT)
    await world.answers.drop_expired_bodies(world.clock.now(), 10)
    with pytest.raises(SecretNoLongerAvailable):
        await world.once(world.claim(a=1), make)


async def test_a_secret_sealed_with_a_lost_service_key_is_no_longer_available(
    world: World,
) -> None:
    await world.once(world.claim(a=1), Maker(world, secret=True))
    with pytest.raises(SecretNoLongerAvailable):
        await world.once_with(b"another service key")(world.claim(a=1), Maker(world, secret=True))


@pytest.mark.parametrize(
    "refusal",
    [
        DomainError("amount_out_of_range", "The amount is too large."),
        ApiKeyNotFound(),
        OrderNotFound(),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
async def test_a_refusal_keeps_nothing_so_that_the_key_stays_usable(
    world: World, refusal: Exception
) -> None:
    make = Maker(world)
    make.refusal = refusal
    with pytest.raises(type(refusal)):
        await world.once(world.claim(a=1), make)
    assert await world.answers.find(world.merchant_id, "a key") is None
    make.refusal = None
    assert not (await world.once(world.claim(a=2), make)).replayed


@pytest.mark.parametrize(
    "fault",
    [lambda: StorageUnavailable("gone"), lambda: RuntimeError("a bug")],
    ids=["unavailable", "bug"],
)
async def test_a_fault_while_making_keeps_nothing(
    world: World, fault: Callable[[], Exception]
) -> None:
    make = Maker(world)
    make.refusal = fault()
    with pytest.raises(type(make.refusal)):
        await world.once(world.claim(a=1), make)
    assert await world.answers.find(world.merchant_id, "a key") is None


async def test_a_refusal_of_what_already_succeeded_is_a_replay(world: World) -> None:
    make = Maker(world)
    first = await world.once(world.claim(a=1), make)
    make.refusal = DomainError("api_key_inactive", "The API key is revoked.")
    assert await world.once(world.claim(a=1), make) == replace(first, replayed=True)


async def test_a_refusal_under_a_used_key_says_that_the_key_was_used(world: World) -> None:
    make = Maker(world)
    await world.once(world.claim(a=1), make)
    make.refusal = DomainError("amount_out_of_range", "The amount is too large.")
    with pytest.raises(IdempotencyKeyReused):
        await world.once(world.claim(a=2), make)
