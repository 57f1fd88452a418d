"""Everything that was found, and the file that keeps it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.goals import Goal
from benchmarks.pairs import Ratio
from benchmarks.stage import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One measure. `unit` is empty for a ratio."""

    name: str
    title: str
    ratio: Ratio
    goal: Goal | None
    unit: str = ""

    @property
    def is_met(self) -> bool | None:
        return None if self.goal is None else self.goal.is_met_by(self.ratio.median)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a contender had to do when it was measured."""

    contender: str
    work: str
    connections: int
    slow_disk: bool = False


@dataclass(slots=True)
class Results:
    """Filled while the benchmark runs."""

    mode: str
    circumstances: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    windows: dict[Load, list[Window]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)

    @property
    def others(self) -> float:
        """The part of the machine that others used, in the middle one of all measurements."""
        shares = [window.others for windows in self.windows.values() for window in windows]
        return median(shares) if shares else 0.0

    def note(self, load: Load, windows: Sequence[Window]) -> None:
        self.windows.setdefault(load, []).extend(windows)

    def document(self) -> dict[str, Any]:
        ratios = [finding for finding in self.findings if not finding.unit]
        numbers = [finding for finding in self.findings if finding.unit]
        return {
            "mode": self.mode,
            "ratios": {finding.name: asdict(finding.ratio) for finding in ratios},
            "numbers": {
                finding.name: asdict(finding.ratio) | {"unit": finding.unit} for finding in numbers
            },
            "goals": {finding.name: _goal(finding) for finding in self.findings},
            "absolute": sorted(
                (_absolute(load, windows) for load, windows in self.windows.items()), key=_place
            ),
            "used_by_others": round(self.others, 3),
            "skipped": self.skipped,
            "invalid": self.invalid,
            **self.circumstances,
        }

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n")


def _goal(finding: Finding) -> dict[str, Any]:
    """A measure that is only reported has no goal."""
    goal = None if finding.goal is None else str(finding.goal)
    return {"title": finding.title, "goal": goal, "met": finding.is_met}


def _absolute(load: Load, windows: Sequence[Window]) -> dict[str, Any]:
    """Medians over all windows of a contender under one load."""
    outcomes = [window.outcome for window in windows]
    return asdict(load) | {
        "windows": len(windows),
        "per_second": round(median(each.per_second for each in outcomes), 1),
        "p50_ms": round(median(each.p50_ms for each in outcomes), 3),
        "p99_ms": round(median(each.p99_ms for each in outcomes), 3),
        "application_cpu_us": round(median(each.application_us for each in windows), 1),
        "database_cpu_us": round(median(each.database_us for each in windows), 1),
        "statuses": _sum([each.statuses for each in outcomes]),
    }


def _place(absolute: dict[str, Any]) -> tuple[Any, ...]:
    """The same work together, and there the fastest first."""
    return (
        absolute["work"],
        absolute["slow_disk"],
        absolute["connections"],
        -absolute["per_second"],
    )


def _sum(counts: Sequence[Any]) -> dict[str, int]:
    total: dict[str, int] = {}
    for each in counts:
        for status, count in each.items():
            total[status] = total.get(status, 0) + count
    return total
