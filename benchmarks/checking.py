"""Proof, before anything is measured, that a contender does the same work as Harbor."""

import http.client
import json
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from benchmarks.cluster import TABLES, Cluster
from benchmarks.workloads import LIST_LIMIT, ORDER

ANSWER_SECONDS: Final = 30.0
SIZE_TOLERANCE: Final = 0.2
"""By how much a row may be smaller or larger than the one that Harbor writes."""


class NotTheSameWork(Exception):
    """The message says what a contender leaves out or does otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an order left behind: the members of its document and, of each table, the row's size
    in bytes and which columns have a value."""

    members: tuple[str, ...]
    sizes: dict[str, int]
    filled: dict[str, dict[str, bool]]


def work_of(port: int, cluster: Cluster, database: str) -> Work:
    """Place one order, repeat it, and look at what is in the database. Raises NotTheSameWork."""
    key = uuid4().hex
    first = place(port, cluster.api_key, key)
    _demand(first.status == 201, f"an order was answered with {first.status}: {first.body!r}")
    rows = _rows(cluster, database)
    repeat = place(port, cluster.api_key, key)
    _demand((repeat.status, repeat.body) == (200, first.body), "a repeat is not the first answer")
    other = place(port, cluster.api_key, key, ORDER.replace("1999", "2000"))
    _demand(other.status == 422, "a key was used for two different orders")
    _demand(_rows(cluster, database) == rows, "a repeat wrote something")
    (kept,) = cluster.run(
        "SELECT body, data, length(fingerprint) FROM idempotency_keys, events",
        database=database,
    )
    _demand(bytes(kept.body) == first.body, "the stored answer is not the answer")
    _demand(json.loads(kept.data) == first.document, "the event is not about the order")
    _demand(kept.length == 32, "the fingerprint is not SHA-256")
    return Work(
        members=tuple(first.document),
        sizes={table: size for table, (size, _) in rows.items()},
        filled={
            table: {column: value is not None for column, value in json.loads(row).items()}
            for table, (_, row) in rows.items()
        },
    )


def compare(work: Work, harbors: Work) -> None:
    """Raises NotTheSameWork unless a peer leaves behind what Harbor does."""
    _demand(set(work.members) == set(harbors.members), "the document has other members")
    for table in TABLES:
        _demand(work.filled[table] == harbors.filled[table], f"{table} has other columns filled")
        share = work.sizes[table] / harbors.sizes[table]
        _demand(abs(share - 1) <= SIZE_TOLERANCE, f"a row of {table} is {share:.2f} times as large")


def check_reads(port: int, api_key: str) -> None:
    """Raises NotTheSameWork unless orders can be fetched and listed, the newest first."""
    page = ask(port, "GET", f"/v1/orders?limit={LIST_LIMIT}", api_key).document
    _demand(len(page["data"]) == LIST_LIMIT and page["has_more"], "a page is not full")
    moments = [order["created_at"] for order in page["data"]]
    _demand(moments == sorted(moments, reverse=True), "a page is not in order")
    order = page["data"][LIST_LIMIT // 2]
    fetched = ask(port, "GET", f"/v1/orders/{order['id']}", api_key).document
    _demand(fetched == order, "an order is not the one that was listed")


def place(port: int, api_key: str, key: str, body: str = ORDER) -> Answer:
    """One order, asked for once."""
    return ask(port, "POST", "/v1/orders", api_key, body, {"Idempotency-Key": key})


def ask(
    port: int,
    method: str,
    path: str,
    api_key: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    own = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, own | (headers or {}))
        answer = connection.getresponse()
        return Answer(status=answer.status, body=answer.read())
    finally:
        connection.close()


def _rows(cluster: Cluster, database: str) -> dict[str, tuple[int, str]]:
    """The only row of each table: its size, and itself as JSON."""
    found = {}
    for table in TABLES:
        query = f"SELECT pg_column_size(t.*), row_to_json(t)::text FROM {table} AS t"
        rows = cluster.run(query, database=database)
        _demand(len(rows) == 1, f"{table} has {len(rows)} rows after one order")
        found[table] = (rows[0][0], rows[0][1])
    return found


def _demand(condition: bool, complaint: str) -> None:
    if not condition:
        raise NotTheSameWork(complaint)
