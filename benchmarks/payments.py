"""How many operations one worker carries to the gateway and back, with how much memory."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from benchmarks import workloads
from benchmarks.cluster import Cluster
from benchmarks.goals import at_least, at_most
from benchmarks.load import Amount, InvalidRun, run_load
from benchmarks.pairs import Ratio
from benchmarks.processes import Program, memory_mb, running, started
from benchmarks.results import Finding
from benchmarks.slow_gateway import ANSWER_SECONDS
from benchmarks.stage import Stage
from tests.journeys.server import HARBOR, SECRET
from tests.support.server import CHECKOUT

AT_ONCE: Final = ("operations_per_second", "operations_remote_per_second")
SLOW: Final = ("operations_in_flight", "worker_memory_growth")

_DATABASE: Final = "bench_payments"
_CONNECTIONS: Final = 64
_WARM_AFTER: Final = 2_000
_LONGEST_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.1
_DONE: Final = "SELECT count(*) FROM payment_attempts"
_PACE: Final = """
    SELECT count(*), extract(epoch FROM max(ended_at) - min(started_at))
    FROM payment_attempts WHERE outcome = 'approved'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a worker did, by the database's clock, from the first claim to the last recording."""

    operations: int
    seconds: float
    warm_mb: float
    """After the first 2,000 operations."""
    last_mb: float

    @property
    def per_second(self) -> float:
        return self.operations / self.seconds


def at_once(stage: Stage, *, operations: int, rounds: int) -> list[Finding]:
    """With the simulated gateway, which answers as soon as its ledger is on the disk: in the
    worker's process, and as a process of its own."""
    here, there = [], []
    for _ in range(rounds):
        here.append(_pace(stage, operations=operations).per_second)
        with _gateway(stage.logs) as url:
            there.append(_pace(stage, operations=operations, gateway_url=url).per_second)
    return [
        Finding(
            name="operations_per_second",
            title="operations by one worker, gateway in process",
            ratio=Ratio.of(here),
            goal=at_least(500),
            unit="/s",
        ),
        Finding(
            name="operations_remote_per_second",
            title="… over HTTP to a gateway on the same machine",
            ratio=Ratio.of(there),
            goal=at_least(500),
            unit="/s",
        ),
    ]


def slow(stage: Stage, *, operations: int) -> list[Finding]:
    """With a gateway that takes 200 ms for each."""
    with _slow_gateway(stage.logs) as url:
        pace = _pace(stage, operations=operations, gateway_url=url, method="sim_slow")
    in_flight = pace.operations * ANSWER_SECONDS / pace.seconds
    return [
        Finding(
            name="operations_in_flight",
            title="in flight at a gateway that takes 200 ms",
            ratio=Ratio.of([in_flight]),
            goal=at_least(200),
        ),
        Finding(
            name="worker_memory_growth",
            title=f"worker's memory, {operations:,} operations against {_WARM_AFTER:,}",
            ratio=Ratio.of([pace.last_mb / pace.warm_mb]),
            goal=at_most(1.05),
        ),
    ]


def _pace(
    stage: Stage, *, operations: int, gateway_url: str | None = None, method: str = "sim_approve"
) -> Pace:
    """Place the orders, then let one worker carry out what they wait for. Raises InvalidRun."""
    cluster = stage.cluster
    with ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="harbor-bench-"))
        _place(stage, operations, method)
        settings = {
            "HARBOR_DATABASE_URL": cluster.url_of(_DATABASE),
            "HARBOR_SECRET_KEY": SECRET,
            "HARBOR_DATA_DIR": data,
        }
        if gateway_url is not None:
            settings["HARBOR_GATEWAY_URL"] = gateway_url
        program = Program(command=(str(HARBOR), "worker"), environment=settings)
        worker = stack.enter_context(started(program, stage.logs / "worker.log"))
        _await(cluster, min(_WARM_AFTER, operations))
        warm_mb = memory_mb(worker.pid)
        _await(cluster, operations)
        last_mb = memory_mb(worker.pid)
    ((done, seconds),) = cluster.run(_PACE, database=_DATABASE)
    if done != operations:
        raise InvalidRun(f"{done} of {operations} operations were approved")
    return Pace(operations=done, seconds=float(seconds), warm_mb=warm_mb, last_mb=last_mb)


def _place(stage: Stage, operations: int, method: str) -> None:
    """As many orders as that, and no others, in a database without a worker."""
    cluster = stage.cluster
    if not cluster.run(f"SELECT 1 FROM pg_database WHERE datname = '{_DATABASE}'"):
        cluster.create(_DATABASE)
    cluster.empty(_DATABASE)
    request = workloads.place_each(cluster.api_key, [uuid4().hex for _ in range(operations)])
    body = json.loads(request.body) | {"payment_method": method}
    request = replace(request, body=json.dumps(body))
    amount = Amount(connections=_CONNECTIONS, seconds=_LONGEST_SECONDS, requests=operations)
    with stage.brief("harbor", _DATABASE) as live:
        run_load(live.server.port, request, amount)
    cluster.run("VACUUM ANALYZE payment_operations, orders", "CHECKPOINT", database=_DATABASE)


def _await(cluster: Cluster, operations: int) -> None:
    deadline = time.monotonic() + _LONGEST_SECONDS
    while cluster.run(_DONE, database=_DATABASE)[0][0] < operations:
        if time.monotonic() > deadline:
            raise InvalidRun(f"{operations} operations took longer than {_LONGEST_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


@contextmanager
def _gateway(logs: Path) -> Iterator[str]:
    """The URL of `harbor gateway`, with new books."""
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as data:
        command = (str(HARBOR), "gateway", "--port", "{port}")
        program = Program(command=command, environment={"HARBOR_DATA_DIR": data})
        with running(program, logs / "gateway.log") as gateway:
            yield f"http://127.0.0.1:{gateway.port}"


@contextmanager
def _slow_gateway(logs: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as data:
        module = (sys.executable, "-m", "benchmarks.slow_gateway")
        program = Program(
            command=(*module, str(Path(data, "gateway.db")), "{port}"),
            environment={"PYTHONPATH": str(CHECKOUT)},
        )
        with running(program, logs / "slow_gateway.log") as gateway:
            yield f"http://127.0.0.1:{gateway.port}"
