"""How soon Harbor is ready again, and how much memory it takes."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.goals import at_most
from benchmarks.pairs import Ratio
from benchmarks.results import Finding
from benchmarks.stage import Stage
from tests.journeys.api import client_of, new_merchant
from tests.journeys.raw import RawAnswer
from tests.journeys.server import SECRET, Harbor
from tests.proofs.load import Servers, lines, share_out
from tests.proofs.test_footprint import _mixed

REQUESTS: Final = 10_000
_STARTS: Final = 3
_LINES: Final = 16


def embedded() -> list[Finding]:
    """Of the embedded default, which is what `make serve` runs."""
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as directory:
        harbor = Harbor(Path(directory))
        asyncio.run(_seconds_to_ready(harbor))  # The first start migrates.
        return _findings(harbor, "", "embedded")


def on_postgresql(stage: Stage) -> list[Finding]:
    """Of Harbor on PostgreSQL."""
    url = stage.cluster.create("bench_footprint")
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as directory:
        settings = {"HARBOR_DATABASE_URL": url, "HARBOR_SECRET_KEY": SECRET}
        return _findings(Harbor(Path(directory), settings), "_postgresql", "on PostgreSQL")


def _findings(harbor: Harbor, suffix: str, where: str) -> list[Finding]:
    starts = [asyncio.run(_seconds_to_ready(harbor)) for _ in range(_STARTS)]
    memory = asyncio.run(_memory_mb(harbor))
    return [
        Finding(
            name=f"start_seconds{suffix}",
            title=f"second start to ready, {where}",
            ratio=Ratio.of(starts),
            goal=at_most(1),
            unit="s",
        ),
        Finding(
            name=f"memory_mb{suffix}",
            title=f"memory after {REQUESTS:,} requests, {where}",
            ratio=Ratio.of([memory]),
            goal=at_most(90),
            unit="MB",
        ),
    ]


async def _seconds_to_ready(harbor: Harbor) -> float:
    started = time.perf_counter()
    with harbor.serving() as server:
        async with client_of(server) as client:
            answer = await client.get("/ready")
            seconds = time.perf_counter() - started
        if not answer.is_success:
            raise RuntimeError(f"/ready answers {answer.status_code}")
        server.stop()
    return seconds


async def _memory_mb(harbor: Harbor) -> float:
    """With the same mix of requests as the suite's proof that memory is flat."""

    def take(_: bytes, answer: RawAnswer | None) -> None:
        if answer is None:
            raise RuntimeError("a request was not answered")

    with harbor.serving() as server:
        server.await_started()
        api_key = await new_merchant(harbor)
        async with lines(Servers(server), _LINES) as workers:
            await share_out(_mixed(api_key, REQUESTS), workers, take)
            return server.memory_mb
