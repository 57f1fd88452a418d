"""What a million orders change: the blocks that a page touches, and the database's work for a
create."""

import random
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode
from uuid import uuid4

from benchmarks import checking, workloads
from benchmarks.cluster import TABLES, Cluster, truncation
from benchmarks.comparisons import Scale
from benchmarks.goals import at_most
from benchmarks.load import Amount, run_load
from benchmarks.pairs import Pair, Ratio, in_pairs, ratio
from benchmarks.progress import say
from benchmarks.results import Finding
from benchmarks.stage import Live, Stage, Window, measure

MANY: Final = 1_000_000
FEW: Final = 10_000
_CONNECTIONS: Final = 64
_FIRST_SECONDS: Final = 10.0
_PAGES: Final = 40
_PAGE_LIMIT: Final = workloads.LIST_LIMIT
_SETTLE_SECONDS: Final = 30.0

# What differs from the sample; every other column is as Harbor itself wrote it. One order in a
# hundred still waits for the gateway.
_ORDERS: Final = {
    "id": """(
        lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0')
        || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15)
    )::uuid""",
    "idempotency_key": "substr(md5('key ' || n), 1, 16)",
    "customer_id": "'cus_' || n % 5000",
    "invoice_id": "'INV-' || n",
    "status": "CASE n % 100 WHEN 0 THEN 'pending' ELSE 'paid' END",
    "captured_minor": "CASE n % 100 WHEN 0 THEN 0 ELSE sample.amount_minor END",
    "created_at": "at",
    "updated_at": "at",
}
_OF_ORDERS: Final[Mapping[str, Mapping[str, str]]] = {
    "payment_operations": {
        "id": "orders.id",
        "order_id": "orders.id",
        "state": "CASE orders.status WHEN 'pending' THEN 'pending' ELSE 'succeeded' END",
        "due_at": "orders.created_at",
        "created_at": "orders.created_at",
        "updated_at": "orders.created_at",
    },
    "events": {
        "id": "orders.id",
        "order_id": "orders.id",
        "occurred_at": "orders.created_at",
    },
    "idempotency_keys": {
        "key": "orders.idempotency_key",
        "resource_id": "orders.id",
        "location": "'/v1/orders/' || orders.id",
        "created_at": "orders.created_at",
        "expires_at": "orders.created_at + interval '30 days'",
    },
}


def fill(stage: Stage, database: str, orders: int) -> None:
    """Make a database with many orders of the one merchant, two seconds apart, each with its
    operation, event and answer, all like one that Harbor has just written."""
    started = time.monotonic()
    cluster = stage.cluster
    cluster.create(database)
    with stage.brief("harbor", database) as live:
        placed = checking.place(live.server.port, cluster.api_key, uuid4().hex)
        if placed.status != workloads.create(cluster.api_key).status:
            raise RuntimeError(f"an order was answered with {placed.status}")
    moments = (
        f"generate_series(1, {orders}) AS n,"
        f" LATERAL (SELECT now() - ({orders} - n) * interval '2 seconds' AS at) AS moment"
    )
    statements = [
        "SET synchronous_commit = off",
        *(f"CREATE TEMPORARY TABLE sample_{table} AS TABLE {table}" for table in TABLES),
        truncation(),
        _insert(cluster, database, "orders", _ORDERS, moments),
        *(
            _insert(cluster, database, table, own, "(SELECT * FROM orders ORDER BY id) AS orders")
            for table, own in _OF_ORDERS.items()
        ),
        f"VACUUM (ANALYZE, FREEZE) {', '.join(TABLES)}",
        "CHECKPOINT",
    ]
    cluster.run(*statements, database=database)
    say(f"{orders:,} orders written in {time.monotonic() - started:.0f} s")


def _insert(
    cluster: Cluster, database: str, table: str, own: Mapping[str, str], source: str
) -> str:
    rows = cluster.run(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position",
        database=database,
    )
    names = [row[0] for row in rows]
    values = ", ".join(own.get(name, f'sample."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {values} FROM sample_{table} AS sample, {source}"
    )


def page_blocks(stage: Stage, few: str, many: str) -> Finding:
    """The blocks of table and indexes that one page deep among the orders touches, in PostgreSQL's
    own statistics, when Harbor is asked for it."""
    blocks = {}
    for database in (few, many):
        touched = _blocks_of_pages(stage, database)
        blocks[database] = touched / _PAGES
        say(f"a page deep in {database} touches {blocks[database]:.1f} blocks")
    return Finding(
        name="page_blocks_growth",
        title=f"blocks of a page, {MANY:,} orders against {FEW:,}",
        ratio=Ratio.of([blocks[many] / blocks[few]]),
        goal=at_most(1.25),
    )


def _blocks_of_pages(stage: Stage, database: str) -> int:
    # What a vacuum or an analysis in the background touches would be counted too.
    stage.cluster.run("ALTER TABLE orders SET (autovacuum_enabled = off)", database=database)
    try:
        return _blocks_of_requests(stage, database)
    finally:
        stage.cluster.run("ALTER TABLE orders RESET (autovacuum_enabled)", database=database)


def _blocks_of_requests(stage: Stage, database: str) -> int:
    with stage.brief("harbor", database) as live:
        pages = [_page_after(live, moment) for moment in _moments(stage.cluster, database)]
    before = _blocks(stage.cluster, database)
    with stage.brief("harbor", database) as live:
        for page in pages:
            answer = checking.ask(live.server.port, "GET", page, stage.cluster.api_key)
            if len(answer.document["data"]) != _PAGE_LIMIT:
                raise RuntimeError("a page in the middle is not full")
    return _blocks(stage.cluster, database) - before


def _moments(cluster: Cluster, database: str) -> Sequence[datetime]:
    """Somewhere in the middle half of the orders."""
    ((oldest, newest),) = cluster.run(
        "SELECT min(created_at), max(created_at) FROM orders", database=database
    )
    span: timedelta = newest - oldest
    return [oldest + span * random.uniform(0.25, 0.75) for _ in range(_PAGES)]


def _page_after(live: Live, moment: datetime) -> str:
    """The path of a page that goes on from a cursor."""
    which = {"limit": _PAGE_LIMIT, "created_before": moment.isoformat()}
    path = f"/v1/orders?{urlencode(which)}"
    page = checking.ask(live.server.port, "GET", path, live.cluster.api_key).document
    return f"{path}&cursor={quote(page['next_cursor'])}"


def _blocks(cluster: Cluster, database: str) -> int:
    """What all connections that have ended ever touched of the orders; they count when they end."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    while cluster.run(others, database=database)[0][0] > 0:
        if time.monotonic() > deadline:
            raise RuntimeError("Harbor's connections do not end")
        time.sleep(0.1)
    ((touched,),) = cluster.run(
        "SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit"
        " FROM pg_statio_user_tables WHERE relname = 'orders'",
        database=database,
    )
    return int(touched)


def create_growth(stage: Stage, many: str, scale: Scale) -> tuple[Finding, Sequence[Pair]]:
    """The database's processor time for a create among many orders, against empty tables."""
    cluster = stage.cluster
    empty = "bench_growth_empty"
    cluster.create(empty)
    request = workloads.create(cluster.api_key)
    amount = scale.amount(_CONNECTIONS)
    with stage.brief("harbor", many) as full_one, stage.brief("harbor", empty) as empty_one:

        def among_many() -> Window:
            return measure(full_one, request, amount)

        def among_none() -> Window:
            cluster.run(truncation(), database=empty)
            return measure(empty_one, request, amount)

        # The first change of a page after the checkpoint writes all of it to the log.
        first = Amount(connections=_CONNECTIONS, seconds=_FIRST_SECONDS)
        run_load(full_one.server.port, request, first)
        among_none()
        pairs = in_pairs(among_many, among_none, scale.pairs)
    finding = Finding(
        name="create_growth",
        title=f"database's work for a create, {MANY:,} orders against none",
        ratio=ratio(pairs, "database_cpu"),
        goal=at_most(1.25),
    )
    return finding, pairs
