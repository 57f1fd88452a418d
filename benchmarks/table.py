"""The results for people."""

from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.contenders import TITLES
from benchmarks.results import Finding, Results

MOST_OTHERS: Final = 0.05
"""Of the machine may go to others without a word about it."""


def table(results: Results) -> str:
    """All that was found, as text."""
    parts = [_columns([_HEAD, *map(_row, results.findings)])] if results.findings else []
    loads = results.document()["absolute"]
    if loads:
        parts.append(_columns([_ABSOLUTE_HEAD, *map(_absolute_row, loads)]))
    remarks = [f"left out: {name}: {why}" for name, why in results.skipped.items()]
    remarks += [f"INVALID: {name}: {why}" for name, why in results.invalid.items()]
    if results.others > MOST_OTHERS:
        remarks.append(
            f"Others used {results.others:.0%} of the machine meanwhile: measure again without."
        )
    if remarks:
        parts.append("\n".join(remarks))
    return "\n\n".join(parts)


_HEAD = ("measure", "", "median", "low – high", "goal", "")
_ABSOLUTE_HEAD = (
    "contender",
    "work",
    "connections",
    "per second",
    "p50 ms",
    "p99 ms",
    "app µs",
    "database µs",
)


def _row(finding: Finding) -> Sequence[str]:
    ratio = finding.ratio
    return (
        finding.title,
        finding.name,
        f"{short(ratio.median)} {finding.unit}".strip(),
        spread(ratio.low, ratio.high),
        "report" if finding.goal is None else str(finding.goal),
        {True: "met", False: "MISSED", None: ""}[finding.is_met],
    )


def _absolute_row(load: dict[str, object]) -> Sequence[str]:
    name = str(load["contender"])
    return (
        TITLES[name],
        f"{load['work']}, slow disk" if load["slow_disk"] else str(load["work"]),
        str(load["connections"]),
        f"{load['per_second']:.0f}",
        f"{load['p50_ms']:.2f}",
        f"{load['p99_ms']:.2f}",
        f"{load['application_cpu_us']:.0f}",
        f"{load['database_cpu_us']:.0f}",
    )


def short(value: float) -> str:
    """Three digits that matter."""
    return f"{value:#.3g}".rstrip(".")


def spread(low: float, high: float) -> str:
    """Empty where there is only one value."""
    return "" if low == high else f"{short(low)} – {short(high)}"


def _columns(rows: Iterable[Sequence[str]]) -> str:
    """Rows with their columns under each other; a number stands at the right."""
    listed = list(rows)
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    lines = []
    for row in listed:
        cells = (
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()
