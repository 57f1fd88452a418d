"""How many webhooks one worker delivers, with how much memory."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

from benchmarks import checking, workloads
from benchmarks.cluster import truncation
from benchmarks.goals import at_least, at_most
from benchmarks.load import Amount, InvalidRun, run_load
from benchmarks.pairs import Ratio
from benchmarks.processes import Program, memory_mb, running, started
from benchmarks.results import Finding
from benchmarks.stage import Stage
from tests.journeys.server import HARBOR, SECRET
from tests.support.server import CHECKOUT

NAMES: Final = ("deliveries_per_second", "deliveries_memory_growth")
ENDPOINTS: Final = 10

_DATABASE: Final = "bench_webhooks"
_CONNECTIONS: Final = 64
_LONGEST_SECONDS: Final = 400.0
_POLL_SECONDS: Final = 0.2
_FEED: Final = "event_feeds, webhook_attempts, webhook_deliveries, webhook_endpoints"
_DONE: Final = "SELECT count(*) FROM webhook_attempts"
_PACE: Final = """
    SELECT count(*), extract(epoch FROM max(d.updated_at) - min(d.created_at))
    FROM webhook_attempts AS a JOIN webhook_deliveries AS d ON d.id = a.delivery_id
    WHERE a.status = 204 AND a.number = 1 AND d.state = 'delivered'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """How many deliveries, and after how many of them the worker's memory is looked at first."""

    deliveries: int
    warm_after: int


FULL: Final = Amounts(deliveries=50_000, warm_after=5_000)
QUICK: Final = Amounts(deliveries=5_000, warm_after=1_000)


def deliveries(stage: Stage, amounts: Amounts) -> list[Finding]:
    """Of events that are there before the worker is, to ten endpoints of one receiver."""
    cluster = stage.cluster
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="harbor-bench-"))
        receiver = stack.enter_context(_receiver(stage))
        settings = {
            "HARBOR_DATABASE_URL": _database(stage),
            "HARBOR_SECRET_KEY": SECRET,
            "HARBOR_DATA_DIR": data,
            "HARBOR_WEBHOOK_ALLOW_LOOPBACK": "true",
        }
        _fill(stage, settings, receiver, amounts.deliveries // ENDPOINTS)
        program = Program(command=(str(HARBOR), "worker"), environment=settings)
        worker = stack.enter_context(started(program, stage.logs / "webhooks_worker.log"))
        _await(stage, amounts.warm_after)
        warm_mb = memory_mb(worker.pid)
        _await(stage, amounts.deliveries)
        last_mb = memory_mb(worker.pid)
    ((done, seconds),) = cluster.run(_PACE, database=_DATABASE)
    if done != amounts.deliveries:
        raise InvalidRun(f"{done} of {amounts.deliveries} deliveries were made at once")
    return [
        Finding(
            name="deliveries_per_second",
            title="webhooks by one worker, to a receiver on the same machine",
            ratio=Ratio.of([done / float(seconds)]),
            goal=at_least(300),
            unit="/s",
        ),
        Finding(
            name="deliveries_memory_growth",
            title=f"… its memory, after {amounts.deliveries:,} against {amounts.warm_after:,}",
            ratio=Ratio.of([last_mb / warm_mb]),
            goal=at_most(1.05),
        ),
    ]


def _database(stage: Stage) -> str:
    """The URL of one without orders and endpoints."""
    cluster = stage.cluster
    if not cluster.run(f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'"):
        cluster.create(_DATABASE)
    cluster.run(truncation(), f"TRUNCATE {_FEED}", database=_DATABASE)
    return cluster.url_of(_DATABASE)


def _fill(stage: Stage, settings: dict[str, str], receiver: str, events: int) -> None:
    """Endpoints and orders, each of which is an event that nobody has numbered; nothing is left to
    be paid, for what is measured is not that."""
    cluster, api_key = stage.cluster, stage.cluster.api_key
    command = (str(HARBOR), "serve", "--port", "{port}")
    program = Program(command=command, environment=settings)
    request = workloads.place_each(api_key, [uuid4().hex for _ in range(events)])
    amount = Amount(connections=_CONNECTIONS, seconds=_LONGEST_SECONDS, requests=events)
    with running(program, stage.logs / "webhooks_server.log") as server:
        for number in range(ENDPOINTS):
            target = json.dumps({"url": f"{receiver}/{number}"})
            key = {"Idempotency-Key": uuid4().hex}
            made = checking.ask(server.port, "POST", "/v1/webhook-endpoints", api_key, target, key)
            if made.status != 201:
                raise InvalidRun(f"an endpoint was answered with {made.status}: {made.body!r}")
        run_load(server.port, request, amount)
    cluster.run(
        "TRUNCATE payment_operations, payment_attempts",
        "VACUUM ANALYZE events, orders",
        "CHECKPOINT",
        database=_DATABASE,
    )


def _await(stage: Stage, count: int) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while stage.cluster.run(_DONE, database=_DATABASE)[0][0] < count:
        if time.monotonic() > deadline:
            raise InvalidRun(f"{count} deliveries took longer than {_LONGEST_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


@contextmanager
def _receiver(stage: Stage) -> Iterator[str]:
    """The URL of one that answers at once, a process of its own."""
    program = Program(
        command=(sys.executable, "-m", "benchmarks.receiver", "{port}"),
        environment={"PYTHONPATH": str(CHECKOUT)},
    )
    with running(program, stage.logs / "receiver.log") as receiver:
        yield f"http://127.0.0.1:{receiver.port}"
