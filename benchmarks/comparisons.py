"""What is compared with what, as a list, and how one comparison is made."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from benchmarks import checking, workloads
from benchmarks.goals import Goal, at_least, at_most
from benchmarks.load import Amount, Request, run_load
from benchmarks.pairs import Pair, in_pairs
from benchmarks.stage import Live, Stage, Window, measure

BUSY: Final = 503
RETRY_AFTER_MS: Final = 1_000
"""How long Harbor asks who gets a 503 to wait."""
_FIRST_SECONDS: Final = 0.5
_PLACING_CONNECTIONS: Final = 64
_MOST_PLACING_SECONDS: Final = 240.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: a contender and how many connections it has to serve."""

    contender: str
    connections: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One ratio that a comparison gives: of which metric, its name, and its goal if it has one."""

    name: str
    title: str
    metric: str = "rate"
    goal: Goal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two sides with the same work, side by side."""

    first: Side
    second: Side
    ratios: tuple[Measured, ...]
    work: str = "create"
    slow_disk: bool = False
    may_refuse: bool = False
    only_full: bool = False
    """Left out of a quick run."""

    @property
    def contenders(self) -> tuple[str, str]:
        return self.first.contender, self.second.contender


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How long everything takes."""

    pairs: int
    seconds: float
    warmup: float
    orders: int
    """How many are there before reads and replays are measured."""
    operations: int
    operation_rounds: int
    """How many operations a worker carries out when it is measured, and how often."""

    def amount(self, connections: int) -> Amount:
        return Amount(connections=connections, seconds=self.seconds, warmup=self.warmup)


FULL: Final = Scale(
    pairs=6, seconds=3.0, warmup=0.4, orders=10_000, operations=5_000, operation_rounds=3
)
QUICK: Final = Scale(
    pairs=2, seconds=1.0, warmup=0.2, orders=1_000, operations=1_000, operation_rounds=1
)
_REPLAYED: Final = {"replay": 1_000, "old replay": 10_000}
"""How many answers are replayed in turn: as many as a process remembers, or far more."""


def _against(
    second: str, connections: int, *ratios: Measured, first: str = "harbor", work: str = "create"
) -> Comparison:
    return Comparison(
        first=Side(contender=first, connections=connections),
        second=Side(contender=second, connections=connections),
        ratios=ratios,
        work=work,
    )


COMPARISONS: Final[Sequence[Comparison]] = (
    _against(
        "go",
        64,
        Measured(
            name="create_c64_vs_go", title="create, 64 connections, against Go", goal=at_least(1.5)
        ),
        Measured(name="create_c64_p99_vs_go", title="… its p99", metric="p99", goal=at_most(0.7)),
    ),
    _against(
        "go",
        64,
        Measured(name="create_c64_redis_vs_go", title="… Harbor with Redis, against Go"),
        first="harbor_redis",
    ),
    _against(
        "node",
        64,
        Measured(name="create_c64_vs_node", title="… against Fastify", goal=at_least(2)),
    ),
    _against(
        "tutorial",
        64,
        Measured(name="create_c64_vs_tutorial", title="… against the tutorial", goal=at_least(25)),
        Measured(
            name="create_cpu_vs_tutorial",
            title="… processor time per create",
            metric="cpu",
            goal=at_most(0.05),
        ),
    ),
    replace(
        _against("raw", 64, Measured(name="create_c64_vs_raw", title="… against the raw ASGI app")),
        only_full=True,
    ),
    _against(
        "go",
        16,
        Measured(
            name="create_c16_vs_go", title="create, 16 connections, against Go", goal=at_least(1)
        ),
    ),
    _against(
        "raw",
        1,
        Measured(
            name="create_c1_vs_raw", title="create, 1 connection, against raw", goal=at_least(0.9)
        ),
    ),
    replace(
        _against(
            "raw",
            16,
            Measured(
                name="create_c16_slowdisk_vs_raw",
                title="create, 16 connections, slow disk, against raw",
                goal=at_least(1),
            ),
        ),
        slow_disk=True,
    ),
    _against(
        "harbor",
        64,
        Measured(name="create_workers2_vs_1", title="create, 2 processes against 1"),
        first="harbor_workers2",
    ),
    Comparison(
        first=Side(contender="harbor", connections=320),
        second=Side(contender="harbor", connections=64),
        ratios=(
            Measured(
                name="create_overload_vs_peak",
                title="create, 320 connections against 64",
                goal=at_least(0.9),
            ),
        ),
        may_refuse=True,
    ),
    _against(
        "constant",
        16,
        Measured(
            name="replay_vs_uvicorn",
            title="replay against uvicorn with a constant",
            goal=at_least(0.35),
        ),
        work="replay",
    ),
    _against(
        "constant",
        16,
        Measured(name="replay_old_vs_uvicorn", title="… of answers found in PostgreSQL"),
        work="old replay",
    ),
    _against(
        "raw",
        16,
        Measured(name="get_vs_raw", title="fetch by id, against raw", goal=at_least(0.6)),
        work="get",
    ),
    _against(
        "raw",
        16,
        Measured(name="list50_vs_raw", title="list of 50, against raw", goal=at_least(0.6)),
        work="list",
    ),
)


def compare(stage: Stage, comparison: Comparison, scale: Scale) -> Sequence[Pair]:
    """Measure both sides in neighbouring pairs. Raises InvalidRun, and what Stage.live does."""
    sides = (comparison.first, comparison.second)
    lives = [stage.live(side.contender, slow_disk=comparison.slow_disk) for side in sides]
    cluster = lives[0].cluster
    cluster.empty(*{live.database for live in lives})
    requests = _prepared(comparison.work, lives, scale)
    amounts = [_amount(comparison, side, scale) for side in sides]
    for live, request, amount in zip(lives, requests, amounts, strict=True):
        # What comes first after a pause is not measured.
        run_load(live.server.port, request, replace(amount, seconds=_FIRST_SECONDS))
    cluster.run("CHECKPOINT")

    def window(place: int) -> Window:
        return measure(lives[place], requests[place], amounts[place])

    return in_pairs(partial(window, 0), partial(window, 1), scale.pairs)


def _amount(comparison: Comparison, side: Side, scale: Scale) -> Amount:
    amount = scale.amount(side.connections)
    if comparison.may_refuse:
        return replace(amount, also=(BUSY,), pause_ms=RETRY_AFTER_MS)
    return amount


def _prepared(work: str, lives: Sequence[Live], scale: Scale) -> list[Request]:
    """What each side is asked, with the orders that this needs placed before."""
    if work == "create":
        return [workloads.create(live.cluster.api_key) for live in lives]
    if work in _REPLAYED:
        # Both get the same requests; only Harbor has to know them.
        keys = _place_orders(lives[0], _REPLAYED[work])
        return [workloads.replay(live.cluster.api_key, keys) for live in lives]
    for live in lives:
        _place_orders(live, scale.orders)
        live.cluster.run("VACUUM ANALYZE orders", database=live.database)
        checking.check_reads(live.server.port, live.cluster.api_key)
    if work == "list":
        return [workloads.list_newest(live.cluster.api_key) for live in lives]
    return [workloads.get(live.cluster.api_key, _ids(live)) for live in lives]


def _place_orders(live: Live, count: int) -> list[str]:
    """The keys of `count` new orders."""
    keys = [f"{random.getrandbits(64):016x}" for _ in range(count)]
    request = workloads.place_each(live.cluster.api_key, keys)
    amount = Amount(connections=_PLACING_CONNECTIONS, seconds=_MOST_PLACING_SECONDS, requests=count)
    run_load(live.server.port, request, amount)
    return keys


def _ids(live: Live) -> list[str]:
    rows = live.cluster.run("SELECT id::text FROM orders", database=live.database)
    ids = [row[0] for row in rows]
    random.shuffle(ids)
    return ids
