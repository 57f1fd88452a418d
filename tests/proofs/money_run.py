"""A whole run: PostgreSQL, the gateway, the API and two workers as processes, orders over HTTP,
faults at random moments, and then the verdict."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import func, select

from adapters.sql.database import Database
from adapters.sql.tables import payment_operations
from tests.databases import closing
from tests.journeys.api import Api, client_of, new_merchant
from tests.journeys.server import SECRET, Harbor, HarborServer
from tests.proofs.conftest import Say
from tests.proofs.money_faults import Fault, FaultPlan, Faults, Hits, Place
from tests.proofs.money_judge import Evidence, Violation, gather, is_doubled, judge
from tests.proofs.money_marks import Step
from tests.proofs.money_processes import WorkerOptions, is_error
from tests.proofs.money_traffic import Book, Customer, Plan, some_plans
from tests.support.server import free_port

LEASE_SECONDS: Final = 2.5
LONGEST_STAY_SECONDS: Final = 0.04
_TOLD_EVERY: Final = 25
_LOOK_SECONDS: Final = 0.2
_LONGEST_SECONDS: Final = 3_000.0
_BRIEF: Final = {
    "HARBOR_LEASE_SECONDS": str(LEASE_SECONDS),
    "HARBOR_GATEWAY_SECONDS": "0.9",
    "HARBOR_RECONCILE_AFTER_SECONDS": "3",
    "HARBOR_RETRY_PAUSE_SECONDS": "2",
    "HARBOR_WORKER_POLL_SECONDS": "0.1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Part `at_once` of the orders come before the first fault, the others from then to the last
    one, those of each within `spread_seconds`. After the last fault everything has `settle_seconds`
    to end, unless the run ends with the first effect that is there twice."""

    orders: int
    kills: int
    freezes: int
    gateway_kills: int
    mutant: str = "none"
    settle_seconds: float = 120.0
    at_once: float = 0.02
    spread_seconds: float = 2.0
    until_doubled: bool = False


@dataclass(slots=True)
class Report:
    scale: Scale
    seed: str
    seconds: float
    settled_seconds: float
    hits: Hits
    book: Book
    evidence: Evidence
    violations: Sequence[Violation]
    complaints: Sequence[str]
    claims: int
    incarnations: int
    dropped: int
    """Results that came when their claim was stale, and were not saved."""
    unsaved: int
    differences: Sequence[Any]
    """What `harbor reconcile` found."""
    stuck: str | None
    """What `harbor doctor` said of the operations."""

    def broken_rules(self) -> Counter[str]:
        return Counter(each.rule for each in self.violations)


def hard_pressed(harbor: Harbor, database_url: str, port: int) -> Harbor:
    """With short times, so that a run is short."""
    settings = {
        "HARBOR_DATABASE_URL": database_url,
        "HARBOR_SECRET_KEY": SECRET,
        "HARBOR_GATEWAY_URL": f"http://127.0.0.1:{port}",
    }
    return Harbor(harbor.directory, settings | _BRIEF)


async def run(harbor: Harbor, scale: Scale, seed: str, say: Say) -> Report:
    port = free_port()
    harbor = hard_pressed(harbor, harbor.database_url, port)
    harbor.data.mkdir(exist_ok=True)
    plan = FaultPlan(
        kills=scale.kills,
        freezes=scale.freezes,
        gateway_kills=scale.gateway_kills,
        lease=LEASE_SECONDS,
        seed=seed,
    )
    pace = _Pace(scale, say)
    options = WorkerOptions(longest_stay=LONGEST_STAY_SECONDS, mutant=scale.mutant)
    faults = Faults(harbor, port, plan, options, pace.fault_has_hit)
    try:
        with harbor.serving("--no-worker") as server:
            async with asyncio.timeout(_LONGEST_SECONDS):
                return await _Run(harbor, scale, seed).through(server, faults, pace)
    finally:
        faults.end()


class _Pace:
    """Lets orders in as the faults go on, so that there is something to hit from the first to the
    last."""

    def __init__(self, scale: Scale, say: Say) -> None:
        self._scale = scale
        self._say = say
        self._faults = scale.kills + scale.freezes
        self._room = asyncio.Semaphore(0)
        self._let_in = 0

    def begin(self) -> None:
        self._let_in_up_to(self._scale.orders if not self._faults else self._share(0))

    def fault_has_hit(self, count: int) -> None:
        self._let_in_up_to(self._share(count))
        if count % _TOLD_EVERY == 0:
            self._say(f"{count} of {self._faults} faults, {self._let_in} orders")

    async def turn(self, chance: random.Random) -> None:
        await self._room.acquire()
        await asyncio.sleep(chance.uniform(0, self._scale.spread_seconds))

    def _share(self, count: int) -> int:
        # The last fault still has orders before it that came lately.
        part = self._scale.at_once + count / max(1, self._faults - 1)
        return int(min(1.0, part) * self._scale.orders)

    def _let_in_up_to(self, count: int) -> None:
        while self._let_in < count:
            self._let_in += 1
            self._room.release()


class _Run:
    def __init__(self, harbor: Harbor, scale: Scale, seed: str) -> None:
        self._harbor = harbor
        self._scale = scale
        self._seed = seed
        self._chance = random.Random(seed)
        self._book = Book()

    async def through(self, server: HarborServer, faults: Faults, pace: _Pace) -> Report:
        began = time.monotonic()
        api_key = await new_merchant(self._harbor)
        plans = some_plans(self._scale.orders, self._chance)
        async with client_of(server) as client:
            api = Api(client, api_key)
            customers = [asyncio.create_task(self._one(api, each, pace)) for each in plans]
            try:
                await faults.start()
                pace.begin()
                await faults.run()
                await self._settle(customers)
            finally:
                for customer in customers:
                    customer.cancel()
                await asyncio.gather(*customers, return_exceptions=True)
        settled = time.monotonic()
        differences, stuck = await asyncio.gather(
            asyncio.to_thread(self._compared), asyncio.to_thread(self._examined)
        )
        await asyncio.to_thread(faults.end)
        evidence = await gather(self._harbor.data / "gateway.db", self._harbor.database_url)
        claims = [claimed for marks in faults.marks for claimed in marks.claimed()]
        return Report(
            scale=self._scale,
            seed=self._seed,
            seconds=settled - began,
            settled_seconds=settled - faults.hits.last_at,
            hits=faults.hits,
            book=self._book,
            evidence=evidence,
            violations=judge(evidence, self._book, claims, timedelta(seconds=LEASE_SECONDS)),
            complaints=[*faults.complaints, *_errors_of(server)],
            claims=len(claims),
            incarnations=len(faults.marks),
            dropped=sum(marks.ends[Step.DROPPED] for marks in faults.marks),
            unsaved=sum(marks.ends[Step.UNSAVED] for marks in faults.marks),
            differences=differences,
            stuck=stuck,
        )

    async def _one(self, api: Api, plan: Plan, pace: _Pace) -> None:
        chance = random.Random(f"{self._seed}-{plan.key}")
        await pace.turn(chance)
        await Customer(api, self._book, plan, chance)()

    async def _settle(self, customers: Sequence[asyncio.Task[None]]) -> None:
        """Until every customer has what was meant and no operation is open, or time is up."""
        deadline = time.monotonic() + self._scale.settle_seconds
        ledger = self._harbor.data / "gateway.db"
        open_ones = (
            select(func.count())
            .select_from(payment_operations)
            .where(payment_operations.c.state.in_(("pending", "unknown")))
        )
        async with closing(Database(self._harbor.database_url)) as database:
            while time.monotonic() < deadline:
                if self._scale.until_doubled and await asyncio.to_thread(is_doubled, ledger):
                    return
                waiting = [each for each in customers if not each.done()]
                async with database.statement() as connection:
                    if not waiting and not await connection.scalar(open_ones):
                        return
                await asyncio.sleep(_LOOK_SECONDS)

    def _compared(self) -> Sequence[Any]:
        compared = self._harbor.run("reconcile", "--json")
        differences: Sequence[Any] = compared.document["differences"]
        assert compared.code == (1 if differences else 0), compared.err
        return differences

    def _examined(self) -> str | None:
        examined = self._harbor.run("doctor", "--json")
        problems = {each["name"]: each["problem"] for each in examined.document["findings"]}
        problem: str | None = problems["operations"]
        return problem


def _errors_of(server: HarborServer) -> list[str]:
    return [line for line in server.err.all() if is_error(line)]


def table(report: Report) -> str:
    """All counts, for a person."""
    return "\n".join(["", *_lines(report)])


def _lines(report: Report) -> Iterator[str]:
    hits = report.hits
    yield f"seed {report.seed}, mutant {report.scale.mutant}, {report.seconds:.0f} s"
    yield f"{'operations that stood':36}" + "".join(f"{fault:>10}" for fault in Fault)
    for place in Place:
        counts = "".join(f"{hits.places[fault, place]:>10}" for fault in Fault)
        yield f"  {place:34}{counts}"
    for name, counter in (("faults", hits.faults), ("of them hit nothing", hits.empty)):
        yield f"{name:36}" + "".join(f"{counter[fault]:>10}" for fault in Fault)
    for name, value in _counts(report):
        yield f"{name:48}{value:>10}"
    for name, counts_of in _breakdowns(report):
        listed = ", ".join(f"{key} {count}" for key, count in sorted(counts_of.items()))
        yield f"{name}: {listed or 'none'}"


def _counts(report: Report) -> Iterator[tuple[str, object]]:
    evidence, hits = report.evidence, report.hits
    yield "gateway kills", hits.gateway_kills
    yield "worker processes", report.incarnations
    yield "operations overtaken while frozen", hits.overtaken
    yield "late results that the guard dropped", report.dropped
    yield "results not saved, the database busy", report.unsaved
    yield "claims", report.claims
    yield "attempts recorded", len(evidence.tables["payment_attempts"])
    yield "calls that reached the gateway's books", evidence.calls
    yield "effects at the gateway", len(evidence.effects)
    yield "orders placed", len(report.book.placed)
    yield "answers with 2xx", len(report.book.answers)
    yield "requests repeated after their answer", report.book.repeated
    yield "events", len(evidence.tables["events"])
    yield "all ended, seconds after the last fault", f"{report.settled_seconds:.1f}"
    yield "differences found by harbor reconcile", len(report.differences)
    yield "errors that processes logged", len(report.complaints)
    yield "violations", len(report.violations)


def _breakdowns(report: Report) -> Iterator[tuple[str, Counter[str]]]:
    tables = report.evidence.tables
    yield "orders", Counter(row["status"] for row in tables["orders"])
    yield "methods", Counter(row["payment_method"] or "none" for row in tables["orders"])
    operations = tables["payment_operations"]
    yield "operations", Counter(f"{row['kind']} {row['state']}" for row in operations)
    attempts = tables["payment_attempts"]
    yield "attempts", Counter(f"{row['outcome']} {row['code'] or ''}".strip() for row in attempts)
    yield "effects", Counter(effect.kind for effect in report.evidence.effects)
    yield "refused or unheard, and asked again", report.book.refused
    yield "violations", report.broken_rules()
