"""Partners are told of every change, signed, in order, and until they have heard."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from starlette.responses import Response

from tests.journeys.api import Api
from tests.journeys.receiver import Hook, Receiver, receiving

pytestmark = pytest.mark.anyio

PATH = "/v1/webhook-endpoints"
PAID = ["order.created", "order.processing", "order.paid"]
SOON_SECONDS = 2.0


async def registered(api: Api, receiver: Receiver, **members: Any) -> dict[str, Any]:
    """An endpoint that is the receiver."""
    answer = await api.post(PATH, {"url": receiver.url, **members})
    assert answer.status_code == 201, answer.text
    endpoint: dict[str, Any] = answer.json()
    receiver.secret = endpoint["secret"]
    return endpoint


def types_of(hooks: list[Hook]) -> list[str]:
    return [hook.document["type"] for hook in hooks]


async def test_each_change_is_told_once_signed_and_in_order(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver:
        await registered(api, receiver)
        order = await api.paid()
        await receiver.until(lambda hooks: len(hooks) == 3)
        events = await api.walk("/v1/events")
    assert types_of(receiver.hooks) == PAID
    assert receiver.unsigned == 0
    for hook, event in zip(receiver.hooks, events, strict=True):
        del event["order_version"]
        assert hook.document == event
        assert hook.id == event["id"]
        assert list(hook.document) == ["id", "type", "timestamp", "sequence", "data"]
    assert receiver.hooks[-1].document["data"]["order"] == order


async def test_an_endpoint_is_told_of_what_it_asked_for(embedded_till: Api) -> None:
    async with receiving() as receiver:
        await registered(embedded_till, receiver, event_types=["order.paid"])
        for _ in range(3):
            await embedded_till.paid()
        await receiver.until(lambda hooks: len(hooks) == 3)
    assert types_of(receiver.hooks) == ["order.paid"] * 3


async def test_what_failed_is_told_again_the_same(embedded_till: Api) -> None:
    async with receiving() as receiver:

        def once_wrong(hook: Hook) -> Response:
            again = Counter(each.id for each in receiver.hooks)[hook.id] > 1
            return Response(status_code=200 if again else 500)

        receiver.answer = once_wrong
        await registered(embedded_till, receiver, event_types=["order.paid"])
        await embedded_till.paid()
        await receiver.until(lambda hooks: len(hooks) == 2)
    first, second = receiver.hooks
    assert (first.id, first.body) == (second.id, second.body)
    assert 4.0 <= second.at - first.at <= 7.0


async def test_a_secret_that_was_rotated_signs_on_beside_the_new_one(embedded_till: Api) -> None:
    async with receiving() as receiver:
        endpoint = await registered(embedded_till, receiver, event_types=["order.paid"])
        rotated = await embedded_till.post(f"{PATH}/{endpoint['id']}/rotate-secret")
        assert rotated.status_code == 200
        for secret in (endpoint["secret"], rotated.json()["secret"]):
            receiver.secret = secret
            receiver.hooks.clear()
            await embedded_till.paid()
            await receiver.until(lambda hooks: len(hooks) == 1)
    assert receiver.unsigned == 0


async def test_an_endpoint_that_is_gone_is_told_nothing_more(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver:
        receiver.answer = lambda _: Response(status_code=410)
        endpoint = await registered(api, receiver, event_types=["order.paid"])
        await api.paid()
        await receiver.until(lambda hooks: len(hooks) == 1)
        async with asyncio.timeout(10):
            while True:
                found = (await api.get(f"{PATH}/{endpoint['id']}")).json()
                if found["status"] == "disabled":
                    break
                await asyncio.sleep(0.05)
        assert found["disabled_reason"] == "gone"
        await api.paid()
        await asyncio.sleep(1)
    assert len(receiver.hooks) == 1


async def test_endpoints_that_are_slow_or_dead_keep_nobody_waiting(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as healthy, receiving() as other:
        for number in range(10):
            dead = {"url": f"http://127.0.0.1:9/{number}"}
            assert (await api.post(PATH, dead)).status_code == 201
        await registered(api, healthy, event_types=["order.paid"])
        await registered(api, other, event_types=["order.paid"])
        for _ in range(5):
            await api.paid()
        await healthy.until(lambda hooks: len(hooks) == 5, SOON_SECONDS)
        await other.until(lambda hooks: len(hooks) == 5, SOON_SECONDS)


async def test_a_deleted_endpoint_hears_nothing_more(embedded_till: Api) -> None:
    async with receiving() as receiver:
        endpoint = await registered(embedded_till, receiver)
        await embedded_till.paid()
        await receiver.until(lambda hooks: len(hooks) == 3)
        assert (await embedded_till.delete(f"{PATH}/{endpoint['id']}")).status_code == 204
        await embedded_till.paid()
        await asyncio.sleep(1)
    assert len(receiver.hooks) == 3
