"""How the databases find a page of orders or events: through one index, touching no more than they
show."""

import json
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from adapters.sql.database import Database
from adapters.sql.deliveries import SqlDeliveries
from adapters.sql.events import SqlEvents
from adapters.sql.rows import event_to_row, order_to_row
from adapters.sql.tables import events, orders, webhook_deliveries, webhook_endpoints
from adapters.sql.webhook_rows import delivery_to_row, endpoint_to_row
from application.order_document import order_json
from application.pages import Position
from application.ports.deliveries import DeliveryFilter
from application.ports.events import EventFilter
from application.ports.orders import OrderFilter
from domain.delivery import Delivery, DeliveryState
from domain.event import EventType
from domain.order import OrderStatus
from domain.webhook import WebhookEndpoint
from tests.contracts.feed import a_new_merchant
from tests.examples import a_placement, ids
from tests.fakes import NOW
from tests.plans import Executed, executed_by, executed_for_page, explain

pytestmark = pytest.mark.anyio

MANY: Final = 20_000
WAITING: Final = 30
SECOND: Final = timedelta(seconds=1)
# Where the pages begin: in the middle of the merchant's orders.
DEEP: Final = Position(NOW - MANY * SECOND, UUID(int=0))

INDEX_OF: Final[list[tuple[dict[str, Any], str]]] = [
    ({}, "ix_orders_merchant_id_created_at_id"),
    ({"customer_id": "customer 3"}, "ix_orders_merchant_id_customer_id_created_at_id"),
    ({"status": OrderStatus.PAID}, "ix_orders_merchant_id_status_created_at_id"),
    ({"invoice_id": "invoice 3"}, "ix_orders_invoice"),
    ({"created_after": NOW - 2 * MANY * SECOND}, "ix_orders_merchant_id_created_at_id"),
    ({"created_before": NOW}, "ix_orders_merchant_id_created_at_id"),
]


@pytest.fixture
async def many(database: Database) -> UUID:
    """A merchant with 20,000 orders, two seconds apart, among those of a stranger."""
    merchant, stranger = ids.new(), ids.new()
    template = order_to_row(a_placement(merchant).order)
    statuses = ("paid", "pending", "failed")
    rows = [
        template
        | {
            "id": ids.new(),
            "merchant_id": merchant if number % 2 else stranger,
            "idempotency_key": str(number),
            "created_at": NOW - number * SECOND,
            "customer_id": f"customer {number % 50}",
            "invoice_id": f"invoice {number % 80}",
            "status": statuses[number % 3],
        }
        for number in range(2 * MANY)
    ]
    async with database.transaction(patient=True) as connection:
        await connection.execute(insert(orders), rows)
        await connection.execute(text("ANALYZE orders"))
    return merchant


@pytest.fixture
async def feed(database: Database) -> tuple[UUID, UUID]:
    """A merchant with 10,000 orders, two events each, and the one in the middle of them."""
    merchant = ids.new()
    placement = a_placement(merchant)
    order = order_to_row(placement.order)
    event = event_to_row(placement.event, order_json(placement.order)) | {"endpoint_id": None}
    orders_rows = [
        order | {"id": ids.new(), "idempotency_key": str(number)} for number in range(MANY // 2)
    ]
    event_rows = [
        event
        | {
            "id": ids.new(),
            "order_id": orders_rows[number // 2]["id"],
            "order_version": number % 2 + 1,
            "sequence": number + 1,
        }
        for number in range(MANY)
    ]
    async with database.transaction(patient=True) as connection:
        await connection.execute(insert(orders), orders_rows)
        await connection.execute(insert(events), event_rows)
        if database.is_postgresql:
            # Which does so by itself; SQLite has to do without.
            await connection.execute(text("ANALYZE events"))
    return merchant, orders_rows[MANY // 4]["id"]


@pytest.fixture
async def told(database: Database) -> tuple[UUID, UUID]:
    """A merchant, and an endpoint of his with 20,000 deliveries, the first 30 of which wait."""
    merchant = await a_new_merchant(database)
    endpoint = WebhookEndpoint(
        id=ids.new(),
        merchant_id=merchant,
        url="https://partner.example/",
        event_types=None,
        description=None,
        secret=b"sealed",
        created_at=NOW,
        updated_at=NOW,
    )
    delivery = Delivery(
        id=ids.new(),
        merchant_id=merchant,
        endpoint_id=endpoint.id,
        event_id=ids.new(),
        event_type=EventType.ORDER_PAID,
        sequence=1,
        due_at=NOW,
        created_at=NOW,
        updated_at=NOW,
    )
    rows = [
        delivery_to_row(delivery)
        | {
            "id": ids.new(),
            "sequence": number,
            "state": "pending" if number < WAITING else "delivered",
            "created_at": NOW + number * SECOND,
        }
        for number in range(MANY)
    ]
    async with database.transaction(patient=True) as connection:
        await connection.execute(insert(webhook_endpoints), [endpoint_to_row(endpoint)])
        await connection.execute(insert(webhook_deliveries), rows)
        if database.is_postgresql:
            # Which does so by itself; SQLite has to do without.
            await connection.execute(text("ANALYZE webhook_deliveries"))
    return merchant, endpoint.id


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_postgresql_finds_a_page_in_one_index_and_touches_no_more_than_it_shows(
    database: Database, many: UUID
) -> None:
    for wanted, index in INDEX_OF:
        executed = await executed_for_page(
            database, OrderFilter(merchant_id=many, **wanted), DEEP, 25
        )
        ((answer,),) = await explain(database, "EXPLAIN (ANALYZE, FORMAT JSON)", executed)
        (explanation,) = json.loads(answer) if isinstance(answer, str) else answer
        limit, scan = nodes(explanation["Plan"])
        assert limit["Node Type"] == "Limit"
        assert (scan["Node Type"], scan["Index Name"]) == ("Index Scan", index), wanted
        assert "ROW(created_at, id) < ROW(" in scan["Index Cond"], wanted
        assert "Filter" not in scan, wanted
        assert scan["Actual Rows"] == 26, wanted
    # Two filters at once are answered by one index and a filter, still without sorting.
    both = OrderFilter(merchant_id=many, status=OrderStatus.PAID, customer_id="customer 3")
    executed = await executed_for_page(database, both, DEEP, 25)
    ((answer,),) = await explain(database, "EXPLAIN (FORMAT JSON)", executed)
    (explanation,) = json.loads(answer) if isinstance(answer, str) else answer
    kinds = [node["Node Type"] for node in nodes(explanation["Plan"])]
    assert kinds == ["Limit", "Index Scan"]


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_sqlite_finds_a_page_in_one_index_without_sorting(
    database: Database, many: UUID
) -> None:
    for wanted, index in INDEX_OF:
        executed = await executed_for_page(
            database, OrderFilter(merchant_id=many, **wanted), DEEP, 25
        )
        steps = [row[3] for row in await explain(database, "EXPLAIN QUERY PLAN", executed)]
        (step,) = steps
        assert step.startswith(f"SEARCH orders USING INDEX {index} (merchant_id=?"), wanted
        assert "(created_at,id)<(?,?)" in step, step


async def executed_for_events(
    database: Database, which: EventFilter, after: int, found: int
) -> Executed:
    """What is really sent for a page of events, of which there are so many."""

    async def ask() -> None:
        assert len((await SqlEvents(database).page(which, after, 25)).items) == found

    (executed,) = await executed_by(database, ask)
    return executed


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_postgresql_finds_events_in_one_index(
    database: Database, feed: tuple[UUID, UUID]
) -> None:
    merchant, order = feed
    for order_id, found, touched, index in (
        (None, 25, 26, "ix_events_feed"),
        (order, 2, 2, "uq_events_order_id_order_version_merchant_id"),
    ):
        which = EventFilter(merchant_id=merchant, order_id=order_id)
        executed = await executed_for_events(database, which, MANY // 4, found)
        ((answer,),) = await explain(database, "EXPLAIN (ANALYZE, FORMAT JSON)", executed)
        (explanation,) = json.loads(answer) if isinstance(answer, str) else answer
        limit, scan = nodes(explanation["Plan"])
        assert limit["Node Type"] == "Limit"
        assert (scan["Node Type"], scan["Index Name"]) == ("Index Scan", index)
        assert scan["Actual Rows"] == touched
        assert scan.get("Rows Removed by Filter", 0) == 0


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_sqlite_finds_events_in_one_index_without_sorting(
    database: Database, feed: tuple[UUID, UUID]
) -> None:
    merchant, order = feed
    for order_id, found, start in (
        (None, 25, "ix_events_feed (merchant_id=? AND sequence>?)"),
        (order, 2, "sqlite_autoindex_events_2 (order_id=?)"),
    ):
        which = EventFilter(merchant_id=merchant, order_id=order_id)
        executed = await executed_for_events(database, which, MANY // 4, found)
        (step,) = [row[3] for row in await explain(database, "EXPLAIN QUERY PLAN", executed)]
        assert step == f"SEARCH events USING INDEX {start}"


async def executed_for_waiting(database: Database, told: tuple[UUID, UUID]) -> list[Executed]:
    """What is really sent for the two pages of deliveries that wait."""
    merchant, endpoint = told
    which = DeliveryFilter(merchant_id=merchant, endpoint_id=endpoint, state=DeliveryState.PENDING)

    async def ask() -> None:
        deliveries = SqlDeliveries(database)
        first = await deliveries.page(which, None, 25)
        second = await deliveries.page(which, first.next, 25)
        found = [each.sequence for each in (*first.items, *second.items)]
        assert found == list(reversed(range(WAITING)))

    return await executed_by(database, ask)


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_postgresql_finds_the_deliveries_that_wait_among_those_only(
    database: Database, told: tuple[UUID, UUID]
) -> None:
    # For the second page the position may leave less than wait in all: the planner knows.
    first, _ = await executed_for_waiting(database, told)
    ((answer,),) = await explain(database, "EXPLAIN (FORMAT JSON)", first)
    (explanation,) = json.loads(answer) if isinstance(answer, str) else answer
    scan = nodes(explanation["Plan"])[-1]
    assert scan["Index Name"] == "ix_webhook_deliveries_waiting"


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_sqlite_finds_the_deliveries_that_wait_among_those_only(
    database: Database, told: tuple[UUID, UUID]
) -> None:
    index = "ix_webhook_deliveries_waiting (endpoint_id=?)"
    for executed in await executed_for_waiting(database, told):
        first, *_ = [row[3] for row in await explain(database, "EXPLAIN QUERY PLAN", executed)]
        assert first == f"SEARCH webhook_deliveries USING INDEX {index}"


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)
async def test_an_order_is_found_by_its_id_from_the_first_one_on(database: Database) -> None:
    # As foreign keys look for it. On an empty table all indexes are equally good to PostgreSQL,
    # and a connection keeps its first plan until the table is analyzed.
    async with database.transaction() as connection:
        await connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        # It is about which index. One that autovacuum has just found empty is read without any.
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        await connection.execute(
            text(
                "PREPARE by_id(uuid, uuid) AS SELECT 1 FROM ONLY orders x"
                " WHERE id = $1 AND merchant_id = $2 FOR KEY SHARE OF x"
            )
        )
        plan = await connection.execute(
            text(f"EXPLAIN EXECUTE by_id('{ids.new()}', '{ids.new()}')")
        )
        assert "Index Scan using pk_orders" in "".join(line for (line,) in plan)
