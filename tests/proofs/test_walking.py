"""Walking a customer's orders while new ones arrive: each of the old ones is seen exactly once."""

import asyncio
import time
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import text

from adapters.sql.database import Database
from adapters.sql.tables import orders
from application.pages import Position
from application.ports.orders import OrderFilter
from tests.databases import closing
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.server import Harbor
from tests.plans import executed_for_page, explain
from tests.proofs.conftest import Say

pytestmark = pytest.mark.anyio

CUSTOMER = "cus_with_many"
LIMIT = 100

_OWN = ("id", "idempotency_key", "created_at", "customer_id")
_KEPT = [column.name for column in orders.c if column.name not in _OWN]
_NUMBERS = {
    "postgresql": "SELECT generate_series(1, :count) AS number",
    "sqlite": (
        "WITH RECURSIVE numbers(number) AS"
        " (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < :count)"
        " SELECT number FROM numbers"
    ),
}
_NEW_ID = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
# Three orders to a moment, so that pages end between orders of the same moment.
_EARLIER = {
    "postgresql": "created_at - (number / 3) * interval '1 microsecond'",
    "sqlite": "created_at - number / 3",
}


# Every second one is another customer's.
_CUSTOMER = "CASE number % 2 WHEN 0 THEN customer_id ELSE 'other' || number % 99 END"


async def _multiply(database: Database, order_id: UUID, count: int) -> None:
    """`count` more orders of the same customer, and as many of others, each a little older."""
    kind = "postgresql" if database.is_postgresql else "sqlite"
    names = ", ".join(f'"{name}"' for name in _KEPT)
    insert = (
        f"INSERT INTO orders ({', '.join(_OWN)}, {names})"  # noqa: S608 - made of constants
        f" SELECT {_NEW_ID[kind]}, 'bulk-' || number, {_EARLIER[kind]}, {_CUSTOMER}, {names}"
        f" FROM orders, ({_NUMBERS[kind]}) AS numbers WHERE id = :id"
    )
    shown = order_id if database.is_postgresql else order_id.hex
    async with database.transaction() as connection:
        if database.is_postgresql:
            await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(text(insert), {"count": 2 * count, "id": shown})
    async with database.statement() as connection:
        await connection.execute(text("ANALYZE orders"))


async def _plan_of_a_page(database: Database, which: OrderFilter, after: Position) -> str:
    executed = await executed_for_page(database, which, after, LIMIT)
    # SQLAlchemy writes LIMIT ? OFFSET ? for SQLite: the last parameter is the offset.
    no_offset = "OFFSET" not in executed.statement or executed.parameters[-1] == 0
    assert no_offset, executed.statement
    how = "EXPLAIN" if database.is_postgresql else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row[-1]) for row in await explain(database, how, executed))


async def test_a_walk_sees_each_order_once_while_new_ones_arrive(
    harbor: Harbor, full: bool, say: Say
) -> None:
    count = 100_000 if full else 3_000
    with harbor.serving() as server:
        async with client_of(server) as client, closing(Database(harbor.database_url)) as database:
            api = Api(client, await new_merchant(harbor))
            newest = await api.placed(customer_id=CUSTOMER)
            await _multiply(database, UUID(newest["id"]), count - 1)
            started = time.perf_counter()
            seen, arrived = await _walk_while_orders_arrive(api)
            seconds = time.perf_counter() - started
            async with database.statement() as connection:
                found = await connection.execute(
                    orders.select().where(orders.c.customer_id == CUSTOMER)
                )
                kept = {str(row.id): row for row in found}
            originals = kept.keys() - arrived
            assert len(originals) == count
            assert set(seen.values()) == {1}
            assert originals <= seen.keys() <= kept.keys()
            middle = sorted(kept.values(), key=lambda row: row.created_at)[count // 2]
            plan = await _plan_of_a_page(
                database,
                OrderFilter(merchant_id=middle.merchant_id, customer_id=CUSTOMER),
                Position(middle.created_at, middle.id),
            )
            assert "ix_orders_merchant_id_customer_id_created_at_id" in plan, plan
            for unwanted in ("Sort", "TEMP B-TREE", "Seq Scan", "SCAN orders", "Filter"):
                assert unwanted not in plan, plan
            say(
                f"{count} orders, {len(seen)} seen, each once, in {seconds:.1f} s while"
                f" {len(arrived)} arrived; the plan of a page in the middle:\n{plan}\n"
            )


async def _walk_while_orders_arrive(api: Api) -> tuple[Counter[str], set[str]]:
    """How often each order was seen, and which ones were placed meanwhile."""
    arrived: set[str] = set()
    walking = True

    async def keep_placing() -> None:
        while walking:
            arrived.add((await api.placed(customer_id=CUSTOMER))["id"])

    placing = asyncio.create_task(keep_placing())
    try:
        found = await api.walk(f"/v1/customers/{CUSTOMER}/orders", limit=LIMIT)
    finally:
        walking = False
        await placing
    return Counter(order["id"] for order in found), arrived
