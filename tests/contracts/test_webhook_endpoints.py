"""What `application/ports/webhook_endpoints.py` promises, over both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from adapters.sql.database import Database
from adapters.sql.tables import merchants, webhook_endpoints
from adapters.sql.webhook_endpoints import SqlWebhookEndpoints
from adapters.sql.webhook_rows import endpoint_to_row
from application.ports.webhook_endpoints import WebhookEndpoints
from domain.event import EventType
from domain.webhook import DisabledReason, WebhookEndpoint
from tests.examples import a_merchant, ids
from tests.fakes import NOW

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


@pytest.fixture
def endpoints(database: Database) -> WebhookEndpoints:
    return SqlWebhookEndpoints(database)


@pytest.fixture
async def endpoint(database: Database) -> WebhookEndpoint:
    merchant = a_merchant()
    made = WebhookEndpoint(
        id=ids.new(),
        merchant_id=merchant.id,
        url="https://partner.example/",
        event_types=frozenset({EventType.ORDER_PAID, EventType.ORDER_FAILED}),
        description="Ä",
        secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    row = {"id": merchant.id, "name": merchant.name, "created_at": merchant.created_at}
    async with database.transaction() as connection:
        await connection.execute(insert(merchants).values(row))
        await connection.execute(insert(webhook_endpoints).values(endpoint_to_row(made)))
    return made


async def fails_since(database: Database, endpoint: WebhookEndpoint, hours: int | None) -> None:
    """As a worker says it, which is no other version."""
    since = None if hours is None else NOW + hours * HOUR
    async with database.transaction() as connection:
        await connection.execute(
            update(webhook_endpoints)
            .where(webhook_endpoints.c.id == endpoint.id)
            .values(failing_since=since)
        )


async def test_an_endpoint_is_there_as_it_was_saved(
    endpoints: WebhookEndpoints, endpoint: WebhookEndpoint
) -> None:
    assert await endpoints.get(endpoint.merchant_id, endpoint.id) == endpoint
    assert await endpoints.get(ids.new(), endpoint.id) is None
    changed = endpoint.change(NOW + HOUR, event_types=None).rotate(b"other", NOW + HOUR)
    assert await endpoints.save(changed, endpoint.version)
    assert await endpoints.get(endpoint.merchant_id, endpoint.id) == changed


async def test_who_is_late_saves_nothing(
    endpoints: WebhookEndpoints, endpoint: WebhookEndpoint
) -> None:
    assert await endpoints.save(endpoint.change(NOW, url="https://first.example/"), 1)
    assert not await endpoints.save(endpoint.change(NOW, url="https://late.example/"), 1)
    found = await endpoints.get(endpoint.merchant_id, endpoint.id)
    assert found is not None
    assert found.url == "https://first.example/"


@pytest.mark.parametrize(("seen", "now"), [(1, None), (None, 2), (1, 2)])
async def test_a_change_brings_no_old_failures_back(
    database: Database,
    endpoints: WebhookEndpoints,
    endpoint: WebhookEndpoint,
    seen: int | None,
    now: int | None,
) -> None:
    await fails_since(database, endpoint, seen)
    read = await endpoints.get(endpoint.merchant_id, endpoint.id)
    assert read is not None
    await fails_since(database, endpoint, now)
    assert await endpoints.save(read.change(NOW, description="Other"), read.version)
    found = await endpoints.get(endpoint.merchant_id, endpoint.id)
    assert found is not None
    assert found.failing_since == (None if now is None else NOW + now * HOUR)


async def test_who_enables_it_has_the_failures_forgotten(
    database: Database, endpoints: WebhookEndpoints, endpoint: WebhookEndpoint
) -> None:
    disabled = replace(endpoint.disable(DisabledReason.FAILING, NOW), failing_since=NOW, version=1)
    async with database.transaction() as connection:
        await connection.execute(update(webhook_endpoints).values(endpoint_to_row(disabled)))
    assert await endpoints.save(disabled.enable(NOW + HOUR), 1)
    found = await endpoints.get(endpoint.merchant_id, endpoint.id)
    assert found is not None
    assert (found.is_enabled, found.failing_since) == (True, None)


async def test_who_gives_it_another_url_has_the_failures_forgotten(
    database: Database, endpoints: WebhookEndpoints, endpoint: WebhookEndpoint
) -> None:
    await fails_since(database, endpoint, 1)
    read = await endpoints.get(endpoint.merchant_id, endpoint.id)
    assert read is not None
    await fails_since(database, endpoint, 2)
    assert await endpoints.save(read.change(NOW, url="https://other.example/"), read.version)
    found = await endpoints.get(endpoint.merchant_id, endpoint.id)
    assert found is not None
    assert found.failing_since is None


async def test_a_deleted_endpoint_is_gone_and_so_is_its_secret(
    database: Database, endpoints: WebhookEndpoints, endpoint: WebhookEndpoint
) -> None:
    assert not await endpoints.delete(ids.new(), endpoint.id)
    assert await endpoints.delete(endpoint.merchant_id, endpoint.id)
    assert not await endpoints.delete(endpoint.merchant_id, endpoint.id)
    assert await endpoints.get(endpoint.merchant_id, endpoint.id) is None
    assert (await endpoints.page(endpoint.merchant_id, None, 10)).items == ()
    assert await endpoints.count(endpoint.merchant_id) == 0
    assert not await endpoints.save(endpoint.change(NOW, description=None), endpoint.version)
    async with database.statement() as connection:
        row = (await connection.execute(select(webhook_endpoints))).mappings().one()
    assert (row["secret"], row["previous_secret"]) == (b"", None)
