"""The gateway and the worker as processes of their own: killed, started again, told to stop."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import PostgresDatabases
from tests.journeys.api import LOOK_AGAIN_SECONDS, Api, client_of, new_merchant
from tests.journeys.server import SECRET, Harbor
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

SLOW = 20
SWIFT = 20


@pytest.fixture
async def on_postgresql(postgresql_url: str, tmp_path: Path) -> Harbor:
    """With a database that nobody else works on, and the gateway inside the worker."""
    (tmp_path / "shop").mkdir()
    settings = {"HARBOR_DATABASE_URL": postgresql_url, "HARBOR_SECRET_KEY": SECRET}
    return Harbor(tmp_path / "shop", settings)


@pytest.fixture
def bank(tmp_path: Path) -> Harbor:
    """Where a gateway runs that is a process of its own."""
    (tmp_path / "bank").mkdir()
    return Harbor(tmp_path / "bank")


@pytest.fixture
async def api(on_postgresql: Harbor) -> AsyncIterator[Api]:
    """A new merchant on a server without a worker."""
    with on_postgresql.serving() as server:
        async with client_of(server) as client:
            yield Api(client, await new_merchant(on_postgresql))


def _at(on_postgresql: Harbor, url: str) -> Harbor:
    """The same installation with its gateway at another place."""
    return Harbor(on_postgresql.directory, {**on_postgresql.settings, "HARBOR_GATEWAY_URL": url})


async def _until_effects(bank: Harbor, count: int) -> None:
    async with asyncio.timeout(30):
        while True:
            if len(bank.effects()) >= count:
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _each_charged_once(api: Api, bank: Harbor, orders: list[dict[str, Any]]) -> None:
    for order in orders:
        await api.until(order["id"], "paid")
    charges = [(await api.operations(order["id"]))[-1]["id"] for order in orders]
    assert Counter(each.reference for each in bank.effects()) == Counter(charges)


async def _placed(api: Api, count: int, method: str) -> list[dict[str, Any]]:
    return list(await asyncio.gather(*(api.placed(payment_method=method) for _ in range(count))))


async def test_a_gateway_that_is_killed_and_comes_back_has_done_everything_once(
    api: Api, on_postgresql: Harbor, bank: Harbor
) -> None:
    """It dies when it has charged and has not yet said so."""
    port = free_port()
    shop = _at(on_postgresql, f"http://127.0.0.1:{port}")
    with shop.working() as worker:
        with bank.gateway(port) as gateway:
            slow = await _placed(api, SLOW, "sim_slow")
            await _until_effects(bank, SLOW)
            swift = await _placed(api, SWIFT, "sim_approve")
            gateway.kill()
        statuses = {(await api.order(order["id"]))["status"] for order in slow}
        assert statuses == {"processing"}
        # While it is away nothing is lost, and nothing is taken for declined.
        away = await _placed(api, SWIFT, "sim_approve")
        for order in away:
            await api.until(order["id"], "processing")
        with bank.gateway(port):
            await _each_charged_once(api, bank, [*slow, *swift, *away])
            for order in slow:
                (operation,) = await api.operations(order["id"])
                first, *_, last = operation["attempts"]
                assert first["outcome"] == "unknown"
                assert first["code"] in ("unreadable", "unreachable")
                assert last["outcome"] == "approved"
            compared = await asyncio.to_thread(shop.run, "reconcile", "--json")
            assert compared.document == {"checked": SLOW + 2 * SWIFT, "differences": []}
        assert worker.stop() == 0
    # A client library's own lines would be one for each call, with the address in it.
    assert "httpx2" not in worker.err.text()


async def test_a_worker_told_to_stop_records_what_it_has_begun(
    api: Api, on_postgresql: Harbor
) -> None:
    with on_postgresql.working() as worker:
        order = (await _placed(api, 1, "sim_slow"))[0]
        await _until_effects(on_postgresql, 1)
        assert (await api.order(order["id"]))["status"] == "processing"
        worker.terminate()
        await asyncio.to_thread(worker.err.first, _finishes)
        later = await api.placed()
        assert await asyncio.to_thread(worker.process.wait, 30) == 0
        # It was recorded before the worker ended.
        assert (await api.order(order["id"]))["status"] == "paid"
        (operation,) = await api.operations(order["id"])
        assert [each["outcome"] for each in operation["attempts"]] == ["approved"]
    # What came after it was told to stop is left to others.
    assert await api.order(later["id"]) == later
    with on_postgresql.working():
        await _each_charged_once(api, on_postgresql, [order, later])


def _finishes(line: str) -> bool | None:
    return "finishing what was begun" in line or None


async def test_what_a_worker_was_killed_over_another_one_takes_up(
    api: Api, on_postgresql: Harbor
) -> None:
    quick = {"HARBOR_GATEWAY_SECONDS": "4", "HARBOR_LEASE_SECONDS": "9"}
    with on_postgresql.working(**quick) as doomed:
        slow = await _placed(api, SLOW, "sim_slow")
        await _until_effects(on_postgresql, SLOW)
        doomed.kill()
    with on_postgresql.working(**quick):
        swift = await _placed(api, SWIFT, "sim_approve")
        await _each_charged_once(api, on_postgresql, [*slow, *swift])
    for order in slow:
        (operation,) = await api.operations(order["id"])
        # What the first one asked, it could not note.
        assert operation["attempt_count"] == 2
        assert [each["number"] for each in operation["attempts"]] == [2]


async def test_several_workers_side_by_side_charge_each_order_once(
    api: Api, on_postgresql: Harbor, bank: Harbor
) -> None:
    with bank.gateway() as gateway:
        shop = _at(on_postgresql, gateway.url)
        with shop.working(), shop.working(), shop.working():
            orders = await _placed(api, 150, "sim_approve")
            orders += await _placed(api, 10, "sim_error")
            await _each_charged_once(api, bank, orders)


async def test_a_gateway_remembers_what_it_did_before_it_was_told_to_stop(
    api: Api, on_postgresql: Harbor, bank: Harbor
) -> None:
    port = free_port()
    shop = _at(on_postgresql, f"http://127.0.0.1:{port}")
    with shop.working():
        with bank.gateway(port) as gateway:
            order = await api.paid()
            held = await api.authorized()
            assert gateway.stop() in (0, -15)
        with bank.gateway(port):
            refund = await api.refunded(order["id"])
            assert (await api.until_settled(refund["id"]))["status"] == "succeeded"
            assert (await api.capture(held["id"])).status_code == 202
            await api.until(held["id"], "paid")
    kinds = Counter(each.kind for each in bank.effects())
    assert kinds == {"charge": 1, "authorize": 1, "refund": 1, "capture": 1}


async def test_without_a_worker_an_order_waits_and_is_paid_when_there_is_one(
    api: Api, on_postgresql: Harbor
) -> None:
    order = await api.placed()
    doctor = await asyncio.to_thread(on_postgresql.run, "doctor")
    assert doctor.code == 0
    assert await api.order(order["id"]) == order
    with on_postgresql.working():
        await api.until(order["id"], "paid")


async def test_a_worker_on_a_database_that_was_not_migrated_waits_until_it_is(
    postgresql_databases: PostgresDatabases, tmp_path: Path
) -> None:
    async with postgresql_databases.fresh(migrated=False) as url:
        harbor = Harbor(tmp_path, {"HARBOR_DATABASE_URL": url, "HARBOR_SECRET_KEY": SECRET})
        with harbor.serving() as server, harbor.working() as worker:
            assert (await asyncio.to_thread(harbor.run, "migrate")).code == 0
            async with client_of(server) as client:
                api = Api(client, await new_merchant(harbor))
                await api.paid()
            assert worker.is_alive
