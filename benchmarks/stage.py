"""Where contenders are started, checked, and put under load."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import psutil

from benchmarks import checking
from benchmarks.cluster import Cluster, postgres_cluster, slow_disk_cluster
from benchmarks.contenders import PROGRAMS, Place
from benchmarks.load import Amount, Outcome, Request, run_load
from benchmarks.processes import Running, running
from benchmarks.progress import say
from tests.support.redis import redis_server

_WITHOUT_ORDERS: Final = ("constant",)
_REFERENCE: Final = "harbor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A contender that runs, on a database of its own."""

    name: str
    server: Running
    cluster: Cluster
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One measurement of one contender. Processor time is in microseconds for each request."""

    contender: str
    outcome: Outcome
    application_us: float
    database_us: float
    others: float
    """The part of the machine's processor time that went to what is no part of the measurement."""

    @property
    def cpu_us(self) -> float:
        return self.application_us + self.database_us


class Stage:
    """Starts each contender when it is first needed and keeps it: idle ones cost nothing."""

    def __init__(self, stack: ExitStack, cluster: Cluster, redis_url: str, logs: Path) -> None:
        self.cluster = cluster
        self._stack = stack
        self._redis_url = redis_url
        self.logs = logs
        self._live: dict[tuple[str, bool], Live] = {}
        self._slow: Cluster | None = None
        self._harbors_work: checking.Work | None = None

    def live(self, name: str, *, slow_disk: bool = False) -> Live:
        """The contender, running and checked. Raises NotTheSameWork, DidNotStart."""
        known = (name, slow_disk)
        if known not in self._live:
            self._live[known] = self._start(
                name, self._slow_cluster() if slow_disk else self.cluster
            )
        return self._live[known]

    @contextmanager
    def brief(self, name: str, database: str) -> Iterator[Live]:
        """A further process of a contender on a database that is there, for a while."""
        with ExitStack() as stack:
            yield self._run(name, self.cluster, database, stack)

    def _slow_cluster(self) -> Cluster:
        if self._slow is None:
            self._slow = self._stack.enter_context(slow_disk_cluster(self.cluster))
        return self._slow

    def _start(self, name: str, cluster: Cluster) -> Live:
        cluster.create(f"bench_{name}")
        live = self._run(name, cluster, f"bench_{name}")
        if name not in _WITHOUT_ORDERS:
            checking.compare(self._work_of(live), self._reference())
            cluster.empty(live.database)
            say(f"{name} does the work: four rows, a stored answer, and no more on a repeat")
        return live

    def _reference(self) -> checking.Work:
        """What Harbor leaves behind, to which the others are compared."""
        if self._harbors_work is None:
            self.cluster.create("bench_reference")
            with self.brief(_REFERENCE, "bench_reference") as live:
                self._harbors_work = self._work_of(live)
        return self._harbors_work

    def _work_of(self, live: Live) -> checking.Work:
        try:
            return checking.work_of(live.server.port, live.cluster, live.database)
        except checking.NotTheSameWork as error:
            raise checking.NotTheSameWork(f"{live.name}: {error}") from error

    def _run(
        self, name: str, cluster: Cluster, database: str, stack: ExitStack | None = None
    ) -> Live:
        place = Place(
            cluster=cluster, database_url=cluster.url_of(database), redis_url=self._redis_url
        )
        log = self.logs / f"{name}-{database}-{len(self._live)}.log"
        server = (stack or self._stack).enter_context(running(PROGRAMS[name](place), log))
        return Live(name=name, server=server, cluster=cluster, database=database)


@contextmanager
def open_stage(logs: Path) -> Iterator[Stage]:
    """A PostgreSQL and a Redis, and nobody on stage yet; all is ended at the end."""
    with ExitStack() as stack:
        cluster = stack.enter_context(postgres_cluster())
        redis = stack.enter_context(redis_server())
        yield Stage(stack, cluster, redis.url, logs)


def measure(live: Live, request: Request, amount: Amount) -> Window:
    """Put load on a contender and watch the processor time. Raises InvalidRun."""
    before = _ProcessorTime.of(live)
    outcome = run_load(live.server.port, request, amount)
    spent = _ProcessorTime.of(live) - before
    return Window(
        contender=live.name,
        outcome=outcome,
        application_us=spent.application / outcome.answered * 1e6,
        database_us=spent.database / outcome.answered * 1e6,
        others=spent.others,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProcessorTime:
    """In seconds: at a moment, or between two."""

    at: float
    application: float
    database: float
    ours: float
    everybody: float

    @classmethod
    def of(cls, live: Live) -> Self:
        machine, own = psutil.cpu_times(), os.times()
        application, database = live.server.cpu_seconds, live.cluster.cpu_seconds
        return cls(
            at=time.monotonic(),
            application=application,
            database=database,
            # The load generator is our child, and has ended.
            ours=application + database + own.user + own.system + sum(own[2:4]),
            everybody=machine.user + machine.nice + machine.system + machine.steal,
        )

    def __sub__(self, before: Self) -> Self:
        return replace(
            self,
            at=self.at - before.at,
            application=self.application - before.application,
            database=self.database - before.database,
            ours=self.ours - before.ours,
            everybody=self.everybody - before.everybody,
        )

    @property
    def others(self) -> float:
        """A share of all cores; of a difference."""
        return max(0.0, self.everybody - self.ours) / (self.at * (os.cpu_count() or 1))
