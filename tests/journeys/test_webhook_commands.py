"""`harbor webhook`: see what a partner is told, look at deliveries, make them once more."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.api import LOOK_AGAIN_SECONDS, Api, client_of
from tests.journeys.receiver import receiving
from tests.journeys.server import Harbor, HarborProcess
from tests.journeys.test_webhooks import PATH, registered

pytestmark = pytest.mark.anyio

TOLD = ["order.created", "order.processing", "order.paid"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An embedded server, and whose merchant one is there."""

    harbor: Harbor
    merchant_id: str
    api: Api


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    harbor = Harbor(tmp_path)
    with harbor.serving() as server:
        created = harbor.run("merchant", "create", "Acme", "--json").document
        async with client_of(server) as client:
            api = Api(client, created["api_key"])
            yield Desk(harbor=harbor, merchant_id=created["merchant_id"], api=api)


@contextmanager
def listening(desk: Desk) -> Iterator[HarborProcess]:
    process = HarborProcess(desk.harbor, ("webhook", "listen", desk.merchant_id), {})
    try:
        process.out.first(lambda line: "Listening at" in line or None, 20)
        yield process
    finally:
        process.kill()


async def lines_of(process: HarborProcess, how_many: int) -> list[str]:
    """What it said of attempts, once it has said so much."""
    async with asyncio.timeout(20):
        while True:
            told = [line for line in process.out.all() if line.startswith(("ok", "REFUSED"))]
            if len(told) >= how_many:
                return told
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def delivered(api: Api, endpoint_id: str, how_many: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(20):
        while True:
            found = await api.walk(f"{PATH}/{endpoint_id}/deliveries?status=delivered")
            if len(found) >= how_many:
                return found
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def test_what_a_partner_is_told_can_be_watched(desk: Desk) -> None:
    with listening(desk) as process:
        order = await desk.api.paid()
        told = await lines_of(process, 3)
        assert [line.split()[3] for line in told] == TOLD
        assert all(line.startswith("ok ") and order["id"] in line for line in told)
        (endpoint,) = (await desk.api.get(PATH)).json()["data"]
        assert endpoint["description"] == "harbor webhook listen"
        # Somebody who has not the secret.
        stranger = {
            "webhook-id": "1",
            "webhook-timestamp": "1",
            "webhook-signature": "v1,bm9ib2R5",
        }
        for headers in (stranger, {}):
            answer = await desk.api.client.post(endpoint["url"], content=b"{}", headers=headers)
            assert answer.status_code == 400
        assert len([line for line in await lines_of(process, 5) if "REFUSED" in line]) == 2
        await asyncio.to_thread(process.stop)
    assert (await desk.api.get(PATH)).json()["data"] == []


async def test_deliveries_are_listed_and_made_once_more(desk: Desk) -> None:
    async with receiving() as receiver:
        endpoint = await registered(desk.api, receiver)
        await desk.api.paid()
        (newest, *_) = await delivered(desk.api, endpoint["id"], 3)

        def harbor(*arguments: str) -> Any:
            return desk.harbor.run("webhook", *arguments)

        own = (desk.merchant_id, endpoint["id"])
        listed = await asyncio.to_thread(harbor, "deliveries", *own, "--json")
        assert [each["event_type"] for each in listed.document["data"]] == TOLD[::-1]
        shown = await asyncio.to_thread(harbor, "deliveries", *own, "--status", "delivered")
        assert re.findall(r"delivered  1 attempt", shown.out) == ["delivered  1 attempt"] * 3
        none = await asyncio.to_thread(harbor, "deliveries", *own, "--status", "held")
        assert none.out == "There are no deliveries.\n"
        one = await asyncio.to_thread(harbor, "redeliver", desk.merchant_id, newest["id"])
        assert one.out == "1 delivery is due again.\n"
        await receiver.until(lambda hooks: len(hooks) == 4)
        await delivered(desk.api, endpoint["id"], 3)
        stretch = ("--from", "2026-01-01T00:00:00Z", "--before", "2036-01-01T00:00:00Z")
        all_of_it = ("redeliver", desk.merchant_id, "--endpoint", endpoint["id"], *stretch)
        several = await asyncio.to_thread(harbor, *all_of_it, "--json")
        assert several.document == {"endpoint_id": endpoint["id"], "count": 3}
        await receiver.until(lambda hooks: len(hooks) == 7)
    assert len({hook.id for hook in receiver.hooks}) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("listen",),
        ("redeliver",),
        ("redeliver", "--endpoint", "01a1ffa8-143f-702c-8a3c-447c92fabbfb"),
        ("redeliver", "01a1ffa8-143f-702c-8a3c-447c92fabbfb"),
        ("deliveries", "01a1ffa8-143f-702c-8a3c-447c92fabbfb"),
        ("deliveries", "01a1ffa8-143f-702c-8a3c-447c92fabbfb", "--limit", "0"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_one_line_and_exit_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    name, *others = arguments
    ended = Harbor(tmp_path).run("webhook", name, "01a1ffa8-143f-702c-8a3c-447c92fabbf0", *others)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("harbor: ")
    assert ended.err.count("\n") == 1
