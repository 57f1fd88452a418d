"""What happened, in one sequence without gaps: read page by page, and followed as it happens."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from adapters.sql.database import Database
from tests.databases import closing
from tests.journeys.api import (
    LOOK_AGAIN_SECONDS,
    Api,
    assert_problem,
    client_of,
    described_by,
    is_uuid7,
    new_merchant,
)
from tests.journeys.event_source import StreamEnded, following
from tests.journeys.raw import connected, request
from tests.journeys.server import Harbor, Shop

pytestmark = pytest.mark.anyio

LIST = "get /v1/events"
OF_ORDER = "get /v1/orders/{order_id}/events"
PAID = ["order.created", "order.processing", "order.paid"]
EVENT = {"id", "type", "sequence", "timestamp", "order_version", "data"}
POOLS = 24
"""Of a server and a worker: each ten for single statements, and two for transactions."""


async def feed_of(api: Api, how_many: int) -> list[dict[str, Any]]:
    """The whole feed, once it has that many events."""
    async with asyncio.timeout(20):
        while True:
            found = await api.walk("/v1/events")
            if len(found) >= how_many:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    assert len(found) == how_many
    return found


async def test_each_change_of_an_order_is_in_the_feed(till: Api) -> None:
    order = await till.paid()
    events = await feed_of(till, 3)
    assert [event["type"] for event in events] == PAID
    assert [event["sequence"] for event in events] == [1, 2, 3]
    assert [event["order_version"] for event in events] == [1, 2, 3]
    for event in events:
        assert set(event) == EVENT
        assert is_uuid7(event["id"])
        assert event["data"]["order"]["version"] == event["order_version"]
        assert event["timestamp"] == event["data"]["order"]["updated_at"]
    assert events[-1]["data"]["order"] == order
    assert "risk" not in str(events)


async def test_pages_of_the_feed_are_as_they_are_described(till: Api) -> None:
    order = await till.paid()
    await feed_of(till, 3)
    described = await described_by(till.client)
    first = await till.get("/v1/events?limit=2")
    described.assert_fits(first, LIST)
    assert (first.json()["has_more"], first.json()["next_cursor"]) == (True, 2)
    assert first.links["next"]["url"] == "/v1/events?after=2&limit=2"
    second = await till.get(first.links["next"]["url"])
    assert (second.json()["has_more"], second.json()["next_cursor"]) == (False, 3)
    assert "link" not in second.headers
    # Whoever comes again later goes on where he was.
    third = await till.get("/v1/events?after=3")
    assert third.json() == {"data": [], "has_more": False, "next_cursor": 3}
    of_order = await till.get(f"/v1/orders/{order['id']}/events")
    described.assert_fits(of_order, OF_ORDER)
    assert of_order.json()["data"] == first.json()["data"] + second.json()["data"]


async def test_a_refund_is_told_with_the_order_that_it_left(till: Api) -> None:
    order = await till.paid()
    await till.refunded(order["id"], amount_cents=500)
    await till.until(order["id"], "partially_refunded")
    events = await feed_of(till, 6)
    types = [event["type"] for event in events[3:]]
    assert types == ["refund.created", "order.refunded", "refund.succeeded"]
    refunded = [event["data"]["order"]["amount_refunded_cents"] for event in events[3:]]
    assert refunded == [0, 500, 500]


async def test_events_of_some_types(till: Api) -> None:
    for _ in range(2):
        await till.paid()
    await feed_of(till, 6)
    paid = await till.walk("/v1/events?type=order.paid")
    assert [event["type"] for event in paid] == ["order.paid"] * 2
    several = await till.walk("/v1/events?type=order.created,order.paid", limit=1)
    assert sorted(event["type"] for event in several) == ["order.created"] * 2 + ["order.paid"] * 2
    # As generated clients say it.
    same = await till.walk("/v1/events?type=order.created&type=order.paid")
    assert same == several
    none = await till.get("/v1/events?type=order.canceled")
    assert none.json() == {"data": [], "has_more": False, "next_cursor": 6}


async def test_nobody_sees_anothers_events(till: Api, other_till: Api) -> None:
    order = await till.paid()
    await feed_of(till, 3)
    assert (await other_till.get("/v1/events")).json()["data"] == []
    for order_id in (order["id"], str(uuid4()), "nonsense"):
        assert_problem(
            await other_till.get(f"/v1/orders/{order_id}/events"), 404, "order_not_found"
        )
    async with following(other_till) as source:
        with pytest.raises(TimeoutError):
            await source.next(0.5)


@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
async def test_only_who_may_read_events_does(till: Api, path: str) -> None:
    assert_problem(await till.client.get(path), 401, "api_key_missing")
    without = await till.issued(scopes=["orders:read", "orders:write"])
    assert_problem(await without.get(path), 403, "scope_missing")
    order = await till.placed()
    assert_problem(await without.get(f"/v1/orders/{order['id']}/events"), 403, "scope_missing")


@pytest.mark.parametrize(
    "query",
    [
        *("after=-1", "after=1.5", "after=%00", "after=9223372036854775808", "after=1e3"),
        *("limit=0", "limit=101", "type=order.exploded", "type=order.paid,", "type=order.paid,%20"),
        *("type=", "type=order.paid&type=x", "type=order.paid,order.paid"),
        *("type=order.paid&type=order.paid", "&".join(["type=order.paid"] * 13)),
        *("after=1&after=2", "after=99999999999999999999999", "cursor=abc", "types=order.paid"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/events", "/v1/events/stream"])
async def test_a_wrong_question_is_refused(embedded_till: Api, path: str, query: str) -> None:
    if path.endswith("stream") and query.startswith("limit"):
        pytest.skip("a stream has no limit")
    answer = await embedded_till.get(f"{path}?{query}")
    assert answer.status_code in (400, 422), answer.text
    assert_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "given",
    [
        *("-1", "abc", "1.5", "9223372036854775808", "1" * 100, "0" * 5_000),
        "0" * 20 + "9" * 19,
    ],
)
async def test_a_wrong_last_event_id_is_refused(embedded_till: Api, given: str) -> None:
    answer = await embedded_till.get("/v1/events/stream", Last_Event_ID=given)
    assert_problem(answer, 400, "malformed_request")


async def test_a_stream_tells_what_happens_while_it_happens(till: Api) -> None:
    await till.paid()
    listed = await feed_of(till, 3)
    async with following(till) as source:
        assert source.answer.headers["content-type"] == "text/event-stream"
        assert source.answer.headers["cache-control"] == "no-store"
        before = [await source.next() for _ in range(3)]
        assert [each.document for each in before] == listed
        assert [(each.id, each.event) for each in before] == list(enumerate(PAID, start=1))
        order = await till.paid()
        after = [await source.next() for _ in range(3)]
        assert [each.id for each in after] == [4, 5, 6]
        assert after[-1].document["data"]["order"] == order


async def test_a_stream_goes_on_where_it_was_cut_off(till: Api) -> None:
    await till.paid()
    await feed_of(till, 3)
    async with following(till, Last_Event_ID="2") as source:
        assert (await source.next()).id == 3
    async with following(till, "?after=1") as source:
        assert (await source.next()).id == 2
    # As a browser comes again to the address that it was given.
    async with following(till, "?after=1", Last_Event_ID="2") as source:
        assert (await source.next()).id == 3
    async with following(till, "?type=order.paid", Last_Event_ID="") as source:
        assert (await source.next()).event == "order.paid"


async def test_head_of_a_stream_opens_none(embedded_till: Api, embedded_shop: Shop) -> None:
    async with connected(embedded_shop.server) as connection:
        await connection.send(request("HEAD", "/v1/events/stream", embedded_till.bearer))
        head = await connection.answer(to_head=True)
        assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")
        await connection.send(request("GET", "/health"))
        assert (await connection.answer()).status == 200


async def test_a_server_that_stops_ends_its_streams_and_does_not_wait_for_them(
    tmp_path: Path,
) -> None:
    harbor = Harbor(tmp_path)
    with harbor.serving() as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(harbor))
            async with AsyncExitStack() as stack:
                sources = [await stack.enter_async_context(following(api)) for _ in range(3)]
                await api.placed()
                for source in sources:
                    await source.next()
                clock = asyncio.get_running_loop()
                told = clock.time()
                stopping = asyncio.create_task(asyncio.to_thread(server.stop))
                for source in sources:
                    with pytest.raises(StreamEnded):
                        await source.drain()
                await stopping
            assert clock.time() - told < 5


async def test_there_are_not_more_streams_than_there_may_be(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    with harbor.serving(HARBOR_STREAM_LIMIT="3") as server:
        async with client_of(server) as client:
            api, other = [Api(client, await new_merchant(harbor)) for _ in range(2)]
            third = Api(client, await new_merchant(harbor))
            for each in (api, other, third):
                await each.placed()
            async with following(api) as one:
                await one.next()
                # A merchant has half of them, and leaves the others theirs.
                refused = await api.get("/v1/events/stream")
                assert_problem(refused, 503, "unavailable")
                assert refused.headers["retry-after"] == "1"
                async with following(other) as two, following(third) as last:
                    await two.next()
                    await last.next()
                    fourth = Api(client, await new_merchant(harbor))
                    assert_problem(await fourth.get("/v1/events/stream"), 503, "unavailable")
            # Who has left makes room.
            async with asyncio.timeout(10):
                while True:
                    async with following(api) as three:
                        if three.answer.status_code == 200:
                            await three.next()
                            return


async def _connections(shop: Shop) -> int:
    """Of all processes that work on the shop's database."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    database = Database(shop.harbor.database_url)
    async with closing(database), database.statement() as connection:
        return int(await connection.scalar(query))


async def test_listeners_cost_no_connection_to_the_database(worker_shop: Shop) -> None:
    async with client_of(worker_shop.server) as client, AsyncExitStack() as stack:
        api = Api(client, await new_merchant(worker_shop.harbor))
        await api.paid()
        sources = [await stack.enter_async_context(following(api)) for _ in range(60)]
        for source in sources:
            assert (await source.next()).id == 1
        assert await _connections(worker_shop) <= POOLS
        await api.paid()
        for source in sources:
            while (await source.next()).id < 6:
                pass
        assert await _connections(worker_shop) <= POOLS
