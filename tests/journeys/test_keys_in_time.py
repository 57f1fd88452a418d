"""What becomes of repeats: in progress, expired, without the secret; and with Redis gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection, select

from adapters.sql.database import Database
from adapters.sql.rows import answer_to_row
from adapters.sql.tables import api_keys, idempotency_keys
from domain.api_key_text import prefix
from tests.databases import closing
from tests.examples import a_record
from tests.journeys.api import (
    Api,
    a_key,
    an_order,
    assert_problem,
    client_of,
    new_merchant,
    path_of_key,
)
from tests.journeys.server import Harbor, HarborServer
from tests.support.redis import redis_server

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _claimed(harbor: Harbor, api: Api, key: str) -> AsyncIterator[None]:
    """Whoever claims this key waits meanwhile, holding the key's lock."""
    async with closing(Database(harbor.database_url)) as database:
        mine = select(api_keys.c.merchant_id).where(api_keys.c.prefix == prefix(api.api_key))
        async with database.statement() as connection:
            merchant_id = (await connection.execute(mine)).scalar_one()
        row = answer_to_row(a_record(merchant_id, key).answer)
        async with database.transaction() as connection:
            await connection.execute(idempotency_keys.insert().values(row))
            yield
            await connection.run_sync(Connection.rollback)


async def test_a_repeat_of_what_is_still_running_is_told_to_come_back(
    on_postgresql: Harbor,
) -> None:
    """In the process that runs it, and in another one."""
    patient = {"HARBOR_LOCK_SECONDS": "20", "HARBOR_STATEMENT_SECONDS": "20"}
    brief = {"HARBOR_IN_PROGRESS_WAIT_SECONDS": "0.2"}
    key = a_key()
    with (
        on_postgresql.serving(**patient, **brief) as here,
        on_postgresql.serving(**patient, **brief) as there,
    ):
        async with client_of(here) as client, client_of(there) as other_client:
            api = Api(client, await new_merchant(on_postgresql))
            elsewhere = Api(other_client, api.api_key)
            async with _claimed(on_postgresql, api, key):
                first = asyncio.create_task(api.place(key))
                await api.until_in_progress(key)
                await elsewhere.until_in_progress(key)
                for each in (api, elsewhere):
                    repeat = await each.place(key)
                    assert_problem(repeat, 409, "idempotency_in_progress")
                    assert repeat.headers["retry-after"] == "1"
            placed = await first
            assert placed.status_code == 201
            for each in (api, elsewhere):
                repeat = await each.place(key)
                assert (repeat.status_code, repeat.content) == (200, placed.content)


async def _expire(harbor: Harbor, key: str, *, cleared: bool) -> None:
    """As if the key had been used long ago, before or after its answer was cleared away."""
    values: dict[str, object] = {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}
    if cleared:
        values["body"] = None
    statement = idempotency_keys.update().where(idempotency_keys.c.key == key).values(values)
    async with (
        closing(Database(harbor.database_url)) as database,
        database.transaction() as connection,
    ):
        assert (await connection.execute(statement)).rowcount == 1


@pytest.mark.parametrize("cleared", [False, True], ids=["kept", "cleared"])
async def test_an_expired_key_never_runs_again_and_says_what_it_made(
    on_sqlite: Harbor, sqlite_api: Api, cleared: bool
) -> None:
    key = a_key()
    order = (await sqlite_api.place(key)).json()
    await _expire(on_sqlite, key, cleared=cleared)
    # A process remembers what it answered itself: after a month it is another one.
    with on_sqlite.serving("--no-worker") as server:
        async with client_of(server) as client:
            api = Api(client, sqlite_api.api_key)
            for _ in range(2):
                problem = assert_problem(await api.place(key), 409, "idempotency_key_expired")
                assert problem["resource_id"] == order["id"]
            other_body = await api.place(key, amount_cents=1)
            assert_problem(other_body, 422, "idempotency_key_reused")
            outcome = (await api.get(path_of_key(key))).json()
            assert (outcome["state"], outcome["order"]) == ("expired", order)
            assert await api.walk("/v1/orders") == [order]


@pytest.mark.parametrize("cleared", [False, True], ids=["kept", "cleared"])
async def test_a_secret_is_shown_again_for_a_day_only(
    harbor: Harbor, api: Api, cleared: bool
) -> None:
    key = a_key()
    body = {"scopes": ["orders:read"]}
    made = (await api.post("/v1/api-keys", body, key)).json()
    outcome = (await api.get(path_of_key(key))).json()
    kept = datetime.fromisoformat(outcome["expires_at"]) - datetime.fromisoformat(
        outcome["created_at"]
    )
    assert kept == timedelta(hours=24)
    await _expire(harbor, key, cleared=cleared)
    retry = await api.post("/v1/api-keys", body, key)
    problem = assert_problem(retry, 409, "secret_no_longer_available")
    assert problem["resource_id"] == made["id"]
    assert made["api_key"] not in retry.text
    assert (await Api(api.client, made["api_key"]).get("/v1/orders")).status_code == 200
    assert len(await api.walk("/v1/api-keys")) == 2


async def test_a_redis_that_is_silent_or_dead_changes_no_answer(
    on_postgresql: Harbor, tmp_path: Path
) -> None:
    """What was placed at one server is repeated at another, which has nothing but Redis to
    remember it by."""
    with redis_server() as redis:
        settings = {**on_postgresql.settings, "HARBOR_REDIS_URL": redis.url}
        harbor = Harbor(tmp_path, settings)
        with harbor.serving() as server, harbor.serving() as other_server:
            async with client_of(server) as client, client_of(other_server) as other_client:
                api = Api(client, await new_merchant(harbor))
                elsewhere = Api(other_client, api.api_key)
                await _places_and_repeats(api, elsewhere)
                redis.freeze()
                await _places_and_repeats(api, elsewhere)
                redis.thaw()
                await _places_and_repeats(api, elsewhere)
                redis.kill()
                await _places_and_repeats(api, elsewhere)
                assert (await client.get("/ready")).status_code == 200
                redis.start()
                await _places_and_repeats(api, elsewhere)


async def _places_and_repeats(api: Api, elsewhere: Api) -> None:
    for _ in range(5):
        key = a_key()
        placed = await api.place(key)
        assert placed.status_code == 201
        repeats = await asyncio.gather(
            *(each.place(key) for each in (elsewhere, api) for _ in range(3))
        )
        assert {(each.status_code, each.content) for each in repeats} == {(200, placed.content)}
        for each in (elsewhere, api):
            other = await each.place(key, amount_cents=1)
            assert_problem(other, 422, "idempotency_key_reused")


async def test_an_answer_does_not_depend_on_who_gives_it(
    on_postgresql: Harbor, postgresql_server: HarborServer, second_server: HarborServer
) -> None:
    """Placed at one server, repeated, fetched and walked at another, with the same bytes."""
    async with client_of(postgresql_server) as here, client_of(second_server) as there:
        api = Api(here, await new_merchant(on_postgresql))
        elsewhere = Api(there, api.api_key)
        key = a_key()
        placed = await api.place(key)
        await api.placed()
        repeat = await elsewhere.place(key)
        assert (repeat.status_code, repeat.content) == (200, placed.content)
        assert (await elsewhere.get(placed.headers["location"])).content == placed.content
        page = (await api.get("/v1/orders?limit=1")).json()
        rest = await elsewhere.get(f"/v1/orders?limit=1&cursor={page['next_cursor']}")
        assert [UUID(order["id"]) for order in rest.json()["data"]] == [UUID(placed.json()["id"])]
        issued = await api.post("/v1/api-keys", {"scopes": ["orders:read"]}, "key-for-a-key")
        again = await elsewhere.post("/v1/api-keys", {"scopes": ["orders:read"]}, "key-for-a-key")
        assert (again.status_code, again.content) == (200, issued.content)


async def test_a_hundred_repeats_do_not_hold_up_another_request(api: Api) -> None:
    """Duplicates that wait must not hold connections: the pool has ten."""
    key = a_key()
    everything = await asyncio.gather(
        *(api.place(key) for _ in range(100)),
        *(api.post("/v1/orders", an_order(customer_id="somebody else")) for _ in range(5)),
    )
    assert {answer.status_code for answer in everything[100:]} == {201}
    assert {answer.status_code for answer in everything[:100]} <= {200, 201, 409}
