"""The whole benchmark, step by step."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks import build, payments, webhooks, workloads
from benchmarks.checking import NotTheSameWork
from benchmarks.circumstances import circumstances
from benchmarks.cluster import ShimInactive
from benchmarks.comparisons import COMPARISONS, FULL, QUICK, Comparison, Scale, compare
from benchmarks.contenders import TITLES, build_contender
from benchmarks.footprint import embedded, on_postgresql
from benchmarks.load import InvalidRun
from benchmarks.million import FEW, MANY, create_growth, fill, page_blocks
from benchmarks.pairs import ratio
from benchmarks.processes import DidNotStart
from benchmarks.progress import say
from benchmarks.results import Finding, Load, Results
from benchmarks.stage import Stage, measure, open_stage

FOOTPRINT: Final = ("start_seconds", "memory_mb")
FOOTPRINT_ON_POSTGRESQL: Final = ("start_seconds_postgresql", "memory_mb_postgresql")
MILLION: Final = ("page_blocks_growth", "create_growth")
SURVEY: Final = "survey"
NAMES: Final = (
    *(measured.name for comparison in COMPARISONS for measured in comparison.ratios),
    *FOOTPRINT,
    *FOOTPRINT_ON_POSTGRESQL,
    *payments.AT_ONCE,
    *payments.SLOW,
    *webhooks.NAMES,
    SURVEY,
    *MILLION,
)
"""All that can be asked for by --only."""

SLOW_OPERATIONS: Final = 10_000

_SURVEYED: Final = ("harbor", "harbor_redis", "go", "node", "raw", "tutorial")
_SURVEY_CONNECTIONS: Final = (1, 16, 64)
_ONLY_FULL: Final = "a quick run has no time for it; `make bench` has"
_MANY_DATABASE: Final = "bench_million"
_FEW_DATABASE: Final = "bench_thousands"
_INVALID: Final = (InvalidRun, DidNotStart, NotTheSameWork, ShimInactive)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something to measure, or why it is not measured."""

    names: tuple[str, ...]
    run: Callable[[], None]
    why_not: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to measure, and how long."""

    quick: bool
    only: Collection[str]

    @property
    def scale(self) -> Scale:
        return QUICK if self.quick else FULL

    def wants(self, *names: str) -> bool:
        return not self.only or any(name in self.only for name in names)


class Benchmark:
    """One run."""

    def __init__(self, wish: Wish, stage: Stage, results: Results, missing: dict[str, str]) -> None:
        self._wish = wish
        self._stage = stage
        self._results = results
        self._missing = missing

    def steps(self) -> Sequence[Step]:
        """What is to be done, in order; the rest of what is wanted is noted as left out."""
        wanted = [step for step in self._all() if self._wish.wants(*step.names)]
        for step in wanted:
            if step.why_not is not None:
                self._results.skipped |= dict.fromkeys(step.names, step.why_not)
        return [step for step in wanted if step.why_not is None]

    def _all(self) -> Iterator[Step]:
        for comparison in COMPARISONS:
            yield Step(
                names=tuple(measured.name for measured in comparison.ratios),
                run=partial(self._compare, comparison),
                why_not=self._why_not(comparison),
            )
        only_full = _ONLY_FULL if self._wish.quick else None
        yield Step(names=FOOTPRINT, run=lambda: self._tell(*embedded()))
        yield Step(
            names=FOOTPRINT_ON_POSTGRESQL,
            run=lambda: self._tell(*on_postgresql(self._stage)),
            why_not=only_full,
        )
        scale = self._wish.scale
        yield Step(
            names=payments.AT_ONCE,
            run=lambda: self._tell(
                *payments.at_once(
                    self._stage, operations=scale.operations, rounds=scale.operation_rounds
                )
            ),
        )
        yield Step(
            names=payments.SLOW,
            run=lambda: self._tell(*payments.slow(self._stage, operations=SLOW_OPERATIONS)),
            why_not=only_full,
        )
        amounts = webhooks.QUICK if self._wish.quick else webhooks.FULL
        yield Step(
            names=webhooks.NAMES,
            run=lambda: self._tell(*webhooks.deliveries(self._stage, amounts)),
        )
        yield Step(names=(SURVEY,), run=self._survey, why_not=only_full)
        yield Step(names=MILLION, run=self._million, why_not=only_full)

    def _why_not(self, comparison: Comparison) -> str | None:
        if self._wish.quick and comparison.only_full:
            return _ONLY_FULL
        return next(
            (self._missing[name] for name in comparison.contenders if name in self._missing), None
        )

    def run(self) -> None:
        """Do all steps; one that is invalid is noted, and the others are still done."""
        steps = self.steps()
        for number, step in enumerate(steps, start=1):
            name = " and ".join(step.names)
            say(f"{number} of {len(steps)}: {name}")
            try:
                step.run()
            except _INVALID as error:
                say(f"INVALID: {error}")
                self._results.invalid[name] = str(error)

    def _compare(self, comparison: Comparison) -> None:
        pairs = compare(self._stage, comparison, self._wish.scale)
        for place, side in enumerate((comparison.first, comparison.second)):
            load = Load(
                contender=side.contender,
                work=comparison.work,
                connections=side.connections,
                slow_disk=comparison.slow_disk,
            )
            self._results.note(load, [pair[place] for pair in pairs])
        for measured in comparison.ratios:
            finding = Finding(
                name=measured.name,
                title=measured.title,
                ratio=ratio(pairs, measured.metric),
                goal=measured.goal,
            )
            self._tell(finding)

    def _survey(self) -> None:
        """Everybody once at each number of connections; no ratios are made of this."""
        for connections in _SURVEY_CONNECTIONS:
            for name in _SURVEYED:
                if name in self._missing:
                    continue
                live = self._stage.live(name)
                live.cluster.empty(live.database)
                request = workloads.create(live.cluster.api_key)
                window = measure(live, request, self._wish.scale.amount(connections))
                load = Load(contender=name, work="create", connections=connections)
                self._results.note(load, [window])

    def _million(self) -> None:
        fill(self._stage, _MANY_DATABASE, MANY)
        if self._wish.wants("page_blocks_growth"):
            fill(self._stage, _FEW_DATABASE, FEW)
            self._tell(page_blocks(self._stage, _FEW_DATABASE, _MANY_DATABASE))
        if self._wish.wants("create_growth"):
            finding, pairs = create_growth(self._stage, _MANY_DATABASE, self._wish.scale)
            load = Load(contender="harbor", work="create among a million", connections=64)
            self._results.note(load, [pair[0] for pair in pairs])
            self._tell(finding)

    def _tell(self, *findings: Finding) -> None:
        for finding in findings:
            self._results.findings.append(finding)
            found, unit = finding.ratio, finding.unit
            say(
                f"   {finding.name} = {found.median:.3g}{unit} ({found.low:.3g} – {found.high:.3g})"
                + ("" if finding.goal is None else f", goal {finding.goal}")
            )


def run_benchmark(wish: Wish, logs: Path) -> Results:
    """Build what there is to build, start the servers, and measure."""
    build.load_generator()
    missing = _build_contenders(wish)
    with open_stage(logs) as stage:
        results = Results(
            mode="quick" if wish.quick else "full", circumstances=circumstances(stage.cluster)
        )
        Benchmark(wish, stage, results, missing).run()
    return results


def _build_contenders(wish: Wish) -> dict[str, str]:
    """Why those that cannot be built are missing."""
    needed = {
        name
        for comparison in COMPARISONS
        if wish.wants(*(measured.name for measured in comparison.ratios))
        for name in comparison.contenders
    }
    if wish.wants(SURVEY) and not wish.quick:
        needed |= set(_SURVEYED)
    missing = {}
    for name in sorted(needed):
        try:
            build_contender(name)
        except build.NotBuilt as error:
            say(f"without {TITLES[name]}: {error}")
            missing[name] = str(error)
    return missing
