"""What a run of the kit found, and how it is shown."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Result(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """There was nothing to judge by; the detail says why."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`detail` says what was seen; `advice` what to do about it, and nothing where it is right."""

    result: Result
    detail: str
    advice: str = ""


def passed(detail: str) -> Verdict:
    return Verdict(Result.PASSED, detail)


def failed(detail: str, advice: str) -> Verdict:
    return Verdict(Result.FAILED, detail, advice)


def skipped(detail: str) -> Verdict:
    return Verdict(Result.SKIPPED, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One check of one scenario. `seconds` is how long it took, 0 where that means nothing."""

    scenario: str
    check: str
    verdict: Verdict
    seconds: float = 0.0

    @property
    def result(self) -> Result:
        return self.verdict.result

    @property
    def message(self) -> str:
        """All that is to be said of it."""
        return f"{self.verdict.detail} {self.verdict.advice}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`kit` is "client" or "receiver". `notes` are about the run as a whole: whole sentences."""

    kit: str
    cases: tuple[Case, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def has_passed(self) -> bool:
        return self.count(Result.FAILED) == 0

    def count(self, result: Result) -> int:
        return Counter(case.result for case in self.cases)[result]


_CELLS: Final = {Result.PASSED: "ok", Result.FAILED: "FAIL", Result.SKIPPED: "skip"}
_NOT_CHECKED: Final = "-"


def report_text(report: Report) -> str:
    """The table, scenarios by checks, and below it a sentence for whatever is not ok."""
    sections = [
        list(_table(report.cases)),
        list(_failures(report.cases)),
        list(_omissions(report.cases)),
        [f"Note: {note}" for note in report.notes],
        [_sum(report)],
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def report_document(report: Report) -> dict[str, Any]:
    """The same as a value, for JSON."""
    return {
        "kit": report.kit,
        "passed": report.has_passed,
        "counts": {str(result): report.count(result) for result in Result},
        "seconds": round(report.seconds, 3),
        "notes": list(report.notes),
        "cases": [
            {
                "scenario": case.scenario,
                "check": case.check,
                "result": str(case.result),
                "detail": case.verdict.detail,
                "advice": case.verdict.advice or None,
                "seconds": round(case.seconds, 3),
            }
            for case in report.cases
        ],
    }


def _table(cases: tuple[Case, ...]) -> Iterator[str]:
    checks = list(dict.fromkeys(case.check for case in cases))
    cells = {(case.scenario, case.check): _CELLS[case.result] for case in cases}
    scenarios = dict.fromkeys(case.scenario for case in cases)
    rows = [
        ["scenario", *checks],
        *(
            [each, *[cells.get((each, check), _NOT_CHECKED) for check in checks]]
            for each in scenarios
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  ".join(padded).rstrip()


def _failures(cases: tuple[Case, ...]) -> Iterator[str]:
    """Under each piece of advice, what it is for."""
    failures = [case for case in cases if case.result is Result.FAILED]
    for check, advice in dict.fromkeys((case.check, case.verdict.advice) for case in failures):
        yield f"{_CELLS[Result.FAILED]}  {check}: {advice}"
        for case in failures:
            if (case.check, case.verdict.advice) == (check, advice):
                yield f"      {case.scenario}: {case.verdict.detail}"


def _omissions(cases: tuple[Case, ...]) -> Iterator[str]:
    """One line for what was skipped in a scenario for the same reason."""
    checks: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        if case.result is Result.SKIPPED:
            checks.setdefault((case.scenario, case.verdict.detail), []).append(case.check)
    for (scenario, detail), names in checks.items():
        yield f"{_CELLS[Result.SKIPPED]}  {scenario} ({', '.join(names)}): {detail}"


def _sum(report: Report) -> str:
    counts = ", ".join(f"{report.count(result)} {result}" for result in Result)
    return f"{len(report.cases)} checks in {report.seconds:.1f} s: {counts}."
