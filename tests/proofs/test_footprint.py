"""Small, quick to start, and as large after a day's work as after a minute's."""

import time

import pytest

from tests.journeys.api import Api, an_order, client_of, new_merchant
from tests.journeys.raw import RawAnswer, post_order, request
from tests.journeys.server import Harbor
from tests.proofs.conftest import Say
from tests.proofs.load import Servers, lines, share_out, some_keys

pytestmark = pytest.mark.anyio

MOST_MB = 100.0
GROWTH = 1.15


async def test_the_embedded_default_starts_soon_and_small(on_sqlite: Harbor, say: Say) -> None:
    with on_sqlite.serving() as server:
        server.await_started()
        server.stop()
    seconds, ready_mb = [], []
    for _ in range(3):
        started = time.perf_counter()
        with on_sqlite.serving() as server:
            async with client_of(server) as client:
                assert (await client.get("/ready")).status_code == 200
                seconds.append(time.perf_counter() - started)
                ready_mb.append(server.memory_mb)
                api = Api(client, await new_merchant(on_sqlite))
                for _ in range(20):
                    assert (await api.place()).status_code == 201
                assert server.memory_mb < MOST_MB
    assert max(ready_mb) < MOST_MB
    shown = ", ".join(f"{each:.2f}" for each in seconds)
    say(f"a second start is ready after {shown} s, with {max(ready_mb):.0f} MB")


async def test_memory_is_flat(harbor: Harbor, full: bool, say: Say) -> None:
    few, many = (1_000, 30_000) if full else (300, 3_000)
    with harbor.serving() as server:
        server.await_started()
        api_key = await new_merchant(harbor)
        servers = Servers(server)
        statuses: set[int] = set()

        def take(_: bytes, answer: RawAnswer | None) -> None:
            assert answer is not None
            statuses.add(answer.status)

        async with lines(servers, 16) as workers:
            await share_out(_mixed(api_key, few), workers, take)
            after_few = server.memory_mb
            await share_out(_mixed(api_key, many - few), workers, take)
            after_many = server.memory_mb
        assert statuses == {200, 201, 401, 404, 422}
        assert after_many < after_few * GROWTH
        assert after_many < MOST_MB * GROWTH
        say(f"{after_few:.1f} MB after {few} requests, {after_many:.1f} MB after {many}")


def _mixed(api_key: str, count: int) -> list[bytes]:
    """A new order, its repeat, a page, and three refusals, over and over."""
    bearer = {"Authorization": f"Bearer {api_key}"}
    work: list[bytes] = []
    for key in some_keys(-(-count // 6)):
        order = post_order(api_key, key, an_order())
        work += [
            order,
            order,
            request("GET", "/v1/orders?limit=5", bearer),
            request("GET", f"/v1/orders/{key}", bearer),
            post_order(api_key, key, an_order(amount_cents=0)),
            request("GET", "/v1/orders", {"Authorization": f"Bearer {key}"}),
        ]
    return work[:count]
