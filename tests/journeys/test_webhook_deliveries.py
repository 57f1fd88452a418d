"""What became of webhooks: listed, looked at, asked for once more; and what is held."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from starlette.responses import Response

from tests.journeys.api import (
    LOOK_AGAIN_SECONDS,
    Api,
    a_key,
    assert_problem,
    described_by,
    is_uuid7,
)
from tests.journeys.receiver import Receiver, receiving
from tests.journeys.test_webhooks import PATH, registered, types_of

pytestmark = pytest.mark.anyio

LIST = "get /v1/webhook-endpoints/{endpoint_id}/deliveries"
GET = "get /v1/webhook-deliveries/{delivery_id}"
ONE = "post /v1/webhook-deliveries/{delivery_id}/redeliver"
RANGE = "post /v1/webhook-endpoints/{endpoint_id}/redeliver"
TEST = "post /v1/webhook-endpoints/{endpoint_id}/test"


async def deliveries_of(
    api: Api, endpoint: dict[str, Any], query: str = ""
) -> list[dict[str, Any]]:
    return await api.walk(f"{PATH}/{endpoint['id']}/deliveries{query}")


async def until_status(
    api: Api, endpoint: dict[str, Any], status: str, how_many: int = 1
) -> list[dict[str, Any]]:
    """The deliveries that have the status, once there are so many."""
    async with asyncio.timeout(20):
        while True:
            found = await deliveries_of(api, endpoint, f"?status={status}")
            if len(found) >= how_many:
                return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def test_a_delivery_tells_what_was_tried_and_answered(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver:

        def answer(_: object) -> Response:
            status = 500 if len(receiver.hooks) == 1 else 200
            return Response(f"{receiver.secret} and thanks", status)

        receiver.answer = answer
        endpoint = await registered(api, receiver, event_types=["order.paid"])
        await api.paid()
        (listed,) = await until_status(api, endpoint, "delivered")
    described = await described_by(api.client)
    path = f"{PATH}/{endpoint['id']}/deliveries"
    described.assert_fits(await api.get(path), LIST)
    answer_of = await api.get(f"/v1/webhook-deliveries/{listed['id']}")
    described.assert_fits(answer_of, GET)
    tried = answer_of.json()
    first, second = tried.pop("attempts")
    assert tried == listed
    assert is_uuid7(tried["id"])
    assert (tried["event_type"], tried["attempt_count"]) == ("order.paid", 2)
    assert tried["next_attempt_at"] is None
    assert tried["event_id"] == receiver.hooks[0].id
    assert (first["number"], first["status_code"], first["problem"]) == (1, 500, None)
    assert (second["number"], second["status_code"]) == (2, 200)
    assert first["response_excerpt"] == "[removed] and thanks"
    assert receiver.secret not in answer_of.text


async def test_one_is_delivered_once_more_for_each_key(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver:
        endpoint = await registered(api, receiver, event_types=["order.paid"])
        await api.paid()
        (delivery,) = await until_status(api, endpoint, "delivered")
        key, path = a_key(), f"/v1/webhook-deliveries/{delivery['id']}/redeliver"
        asked = await api.post(path, None, key)
        (await described_by(api.client)).assert_fits(asked, ONE)
        assert (asked.status_code, asked.json()["status"]) == (200, "pending")
        for _ in range(3):
            repeat = await api.post(path, None, key)
            assert (repeat.status_code, repeat.content) == (200, asked.content)
        await receiver.until(lambda hooks: len(hooks) == 2)
        await until_status(api, endpoint, "delivered")
        await asyncio.sleep(1)
    assert len(receiver.hooks) == 2
    assert receiver.hooks[0].body == receiver.hooks[1].body
    assert receiver.hooks[0].id == receiver.hooks[1].id


async def test_a_stretch_of_time_is_delivered_once_more(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver:
        endpoint = await registered(api, receiver, event_types=["order.paid"])
        delivered: list[dict[str, Any]] = []
        for number in (1, 2, 3):
            await api.paid()
            # What is numbered at once is made at one moment.
            delivered = await until_status(api, endpoint, "delivered", number)
        now = datetime.now(UTC)
        whole = {
            "created_from": (now - timedelta(minutes=5)).isoformat(),
            "created_before": (now + timedelta(minutes=5)).isoformat(),
        }
        path = f"{PATH}/{endpoint['id']}/redeliver"
        none = await api.post(path, whole | {"status": "held"})
        (await described_by(api.client)).assert_fits(none, RANGE)
        assert (none.status_code, none.json()["count"]) == (200, 0)
        two = whole | {"created_from": delivered[1]["created_at"]}
        some = await api.post(path, two)
        assert some.json()["count"] == 2, some.text
        await receiver.until(lambda hooks: len(hooks) == 5)
        await until_status(api, endpoint, "delivered", 3)
        assert (await api.post(path, whole)).json()["count"] == 3
        await receiver.until(lambda hooks: len(hooks) == 8)
    assert len({hook.id for hook in receiver.hooks}) == 3


async def test_an_endpoint_is_tried_out(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver, receiving() as other:
        endpoint = await registered(api, receiver, event_types=["order.paid"])
        await registered(api, other)
        sent = await api.post(f"{PATH}/{endpoint['id']}/test")
        (await described_by(api.client)).assert_fits(sent, TEST)
        assert sent.status_code == 201
        await receiver.until(lambda hooks: len(hooks) == 1)
        (hook,) = receiver.hooks
        assert hook.id == sent.json()["event_id"]
        assert hook.document["type"] == "webhook_endpoint.test"
        assert hook.document["data"]["webhook_endpoint"]["id"] == endpoint["id"]
        assert endpoint["url"] not in hook.body.decode()
        # It is an event like any other, but for the others not a delivery.
        described = await described_by(api.client)
        feed = await api.get("/v1/events")
        described.assert_fits(feed, "get /v1/events")
        (event,) = feed.json()["data"]
        assert (event["id"], event["order_version"]) == (hook.id, None)
        await asyncio.sleep(1)
        assert other.hooks == []


async def gone(api: Api, receiver: Receiver, **members: Any) -> dict[str, Any]:
    """An endpoint that has answered 410 when three deliveries waited for it."""
    receiver.answer = lambda _: Response(status_code=500)
    endpoint = await registered(api, receiver, **members)
    await api.paid()
    await receiver.until(lambda hooks: len(hooks) == 3)
    receiver.answer = lambda _: Response(status_code=410)
    await until_status(api, endpoint, "held", 3)
    return endpoint


async def test_what_waited_for_an_endpoint_that_is_gone_is_held_and_told(
    embedded_till: Api,
) -> None:
    api = embedded_till
    async with receiving() as receiver, receiving() as other:
        await registered(api, other, event_types=["webhook_endpoint.disabled"])
        endpoint = await gone(api, receiver)
        held = await until_status(api, endpoint, "held", 3)
        assert {each["next_attempt_at"] for each in held} == {None}
        await other.until(lambda hooks: len(hooks) == 1)
        (told,) = other.hooks
        # And not where it is, which is nobody else's.
        assert told.document["data"]["webhook_endpoint"] == {
            "id": endpoint["id"],
            "status": "disabled",
            "disabled_reason": "gone",
        }
        path = f"{PATH}/{endpoint['id']}"
        for refused in (
            await api.post(f"{path}/test"),
            await api.post(f"/v1/webhook-deliveries/{held[0]['id']}/redeliver"),
        ):
            assert_problem(refused, 409, "webhook_endpoint_disabled")
        # It is enabled again, and what was held is asked for.
        receiver.answer = lambda _: Response(status_code=204)
        receiver.hooks.clear()
        headers = api.bearer
        enabled = await api.client.patch(path, json={"status": "enabled"}, headers=headers)
        assert enabled.status_code == 200
        now = datetime.now(UTC)
        stretch = {
            "created_from": (now - timedelta(minutes=5)).isoformat(),
            "created_before": now.isoformat(),
            "status": "held",
        }
        assert (await api.post(f"{path}/redeliver", stretch)).json()["count"] == 3
        await receiver.until(lambda hooks: len({hook.id for hook in hooks}) == 3)
        await until_status(api, endpoint, "delivered", 3)
    assert set(types_of(receiver.hooks)) == {"order.created", "order.processing", "order.paid"}


async def test_a_merchant_who_disables_an_endpoint_hears_nothing_more(embedded_till: Api) -> None:
    api = embedded_till
    async with receiving() as receiver:
        receiver.answer = lambda _: Response(status_code=500)
        endpoint = await registered(api, receiver, event_types=["order.paid"])
        await api.paid()
        await receiver.until(lambda hooks: len(hooks) == 1)
        path = f"{PATH}/{endpoint['id']}"
        await api.client.patch(path, json={"status": "disabled"}, headers=api.bearer)
        await until_status(api, endpoint, "held")
        await asyncio.sleep(7)
    assert len(receiver.hooks) == 1


async def test_another_merchants_deliveries_are_as_those_that_are_not_there(
    till: Api, other_till: Api
) -> None:
    async with receiving() as receiver:
        endpoint = await registered(till, receiver, event_types=["order.paid"])
        await till.paid()
        (delivery,) = await until_status(till, endpoint, "delivered")
        for delivery_id in (delivery["id"], str(uuid4()), "nonsense"):
            path = f"/v1/webhook-deliveries/{delivery_id}"
            for answer in (
                await other_till.get(path),
                await other_till.post(f"{path}/redeliver"),
            ):
                assert_problem(answer, 404, "webhook_delivery_not_found")
        path = f"{PATH}/{endpoint['id']}"
        now = datetime.now(UTC).isoformat()
        for answer in (
            await other_till.get(f"{path}/deliveries"),
            await other_till.post(f"{path}/test"),
            await other_till.post(
                f"{path}/redeliver", {"created_from": now, "created_before": now}
            ),
        ):
            assert_problem(answer, 404, "webhook_endpoint_not_found")
        await asyncio.sleep(0.5)
    assert len(receiver.hooks) == 1
