"""How the databases find a page of orders: through one index, touching no more than they show."""

import json
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import insert, text

from adapters.sql.database import Database
from adapters.sql.rows import order_to_row
from adapters.sql.tables import orders
from application.pages import Position
from application.ports.orders import OrderFilter
from domain.order import OrderStatus
from tests.examples import a_placement, ids
from tests.fakes import NOW
from tests.plans import executed_for_page, explain

pytestmark = pytest.mark.anyio

MANY: Final = 20_000
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
    async with database.transaction() as connection:
        await connection.execute(insert(orders), rows)
        await connection.execute(text("ANALYZE orders"))
    return merchant


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
