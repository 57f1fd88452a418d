"""Receivers that are slow: they leave places to others, and what they were told is on record when
the worker is told to stop."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import func, select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.sql.database import Database
from adapters.sql.tables import webhook_attempts, webhook_deliveries, webhook_endpoints
from tests.databases import closing
from tests.journeys.api import LOOK_AGAIN_SECONDS, Api, client_of, new_merchant
from tests.journeys.receiver import receiving
from tests.journeys.server import Harbor
from tests.journeys.test_webhooks import PATH, registered
from tests.serving import serving

pytestmark = pytest.mark.anyio

ORDERS = 30
SLOW_SECONDS = 1.0
QUICK = 5
"""Answers, before a receiver says nothing any more."""
ENDPOINTS = 10
AT_ONCE = 16
"""Attempts at one endpoint."""


async def test_what_slow_receivers_were_told_is_recorded_at_a_stop(tmp_path: Path) -> None:
    """SIGTERM, when some attempts are under way and more wait: those end, no other is begun."""
    harbor = Harbor(tmp_path)
    with harbor.serving("--no-worker") as server:
        async with client_of(server) as client, receiving() as receiver:
            api = Api(client, await new_merchant(harbor))
            receiver.delay_seconds = SLOW_SECONDS
            await registered(api, receiver, event_types=["order.created"])
            for _ in range(ORDERS):
                await api.placed()
            # All of them wait for one turn, which tells some at once.
            with harbor.working() as worker:
                await receiver.until(lambda hooks: len(hooks) >= 1)
                await asyncio.to_thread(worker.stop)
            told = len(receiver.hooks)
    database = Database(harbor.database_url)
    async with closing(database), database.statement() as connection:
        recorded = await connection.scalar(select(func.count()).select_from(webhook_attempts))
    assert 1 <= told < ORDERS
    assert recorded == told


async def test_what_was_answered_is_recorded_when_a_server_stops_that_works_for_itself(
    tmp_path: Path,
) -> None:
    """It waits a few seconds for its worker. Some receivers have answered by then, others have not:
    what they were told is told again at once."""
    harbor = Harbor(tmp_path)
    answered: set[str] = set()
    asked, leave = asyncio.Event(), asyncio.Event()

    async def receive(request: Request) -> Response:
        if len(answered) < QUICK:
            answered.add(request.headers["webhook-id"])
        else:
            asked.set()
            await leave.wait()
        return Response(status_code=204)

    app = Starlette(routes=[Route("/", receive, methods=["POST"])])
    async with serving(app) as url:
        with harbor.serving("--no-worker") as server:
            async with client_of(server) as client:
                api = Api(client, await new_merchant(harbor))
                members = {"url": url, "event_types": ["order.created"]}
                assert (await api.post(PATH, members)).status_code == 201
                for _ in range(ORDERS):
                    await api.placed()
        with harbor.serving() as server:
            async with asyncio.timeout(20):
                await asked.wait()
            await asyncio.to_thread(server.stop)
        leave.set()
    database = Database(harbor.database_url)
    async with closing(database), database.statement() as connection:
        delivered = select(webhook_deliveries.c.event_id).where(
            webhook_deliveries.c.state == "delivered"
        )
        recorded = {str(each) for each in (await connection.execute(delivered)).scalars()}
        lease = await connection.scalar(select(webhook_endpoints.c.lease_expires_at))
    assert recorded == answered
    assert lease is None


async def test_who_says_that_it_is_gone_is_told_nothing_more_in_that_turn(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    with harbor.serving("--no-worker") as server:
        async with client_of(server) as client, receiving() as receiver:
            api = Api(client, await new_merchant(harbor))
            receiver.answer = lambda _: Response(status_code=410)
            endpoint = await registered(api, receiver, event_types=["order.created"])
            for _ in range(ORDERS):
                await api.placed()
            path = f"{PATH}/{endpoint['id']}"
            # All of them wait for one turn, which tells some at once.
            with harbor.working() as worker:
                async with asyncio.timeout(20):
                    while True:
                        if (await api.get(path)).json()["status"] == "disabled":
                            break
                        await asyncio.sleep(LOOK_AGAIN_SECONDS)
                await asyncio.to_thread(worker.stop)
    assert 1 <= len(receiver.hooks) <= AT_ONCE


async def test_receivers_that_are_slow_but_well_leave_places_to_the_others(tmp_path: Path) -> None:
    """Four places, and ten endpoints that answer 204 after a while."""
    harbor = Harbor(tmp_path)
    reached: set[str] = set()
    all_reached, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        reached.add(request.url.path)
        if len(reached) == ENDPOINTS:
            all_reached.set()
        await leave.wait()
        return Response(status_code=204)

    app = Starlette(routes=[Route("/{number}", slow, methods=["POST"])])
    with harbor.serving(HARBOR_WEBHOOK_CONCURRENCY="4") as server:
        async with client_of(server) as client, receiving() as healthy, serving(app) as url:
            api = Api(client, await new_merchant(harbor))
            await registered(api, healthy, event_types=["order.paid"])
            for number in range(ENDPOINTS):
                answer = await api.post(PATH, {"url": f"{url}/{number}"})
                assert answer.status_code == 201
            await api.paid()
            async with asyncio.timeout(18):
                await all_reached.wait()
            # All of the slow ones are being told, and will be for as long as this takes.
            await api.paid()
            await healthy.until(lambda hooks: len(hooks) == 2, seconds=5)
            leave.set()
