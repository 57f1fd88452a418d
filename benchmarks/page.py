"""Put the results into the documentation: `.venv/bin/python -m benchmarks.page`.

Writes docs/performance.svg, and in docs/performance.md what stands between the two marks.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.contenders import TITLES
from benchmarks.picture import picture
from benchmarks.table import short, spread
from tests.support.server import CHECKOUT

RESULTS: Final = CHECKOUT / "benchmarks/results.json"
PAGE: Final = CHECKOUT / "docs/performance.md"
PICTURE: Final = CHECKOUT / "docs/performance.svg"
BEGIN: Final = "<!-- results: written by benchmarks/page.py -->"
END: Final = "<!-- end of results -->"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS)
    file: Path = parser.parse_args().results
    if not file.exists():
        sys.stderr.write(f"{file} is not there: `make bench` writes it\n")
        return 2
    document = json.loads(file.read_text())
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{written(document)}\n{END}{after}")
    PICTURE.write_text(picture(document))
    return 0


def written(document: dict[str, Any]) -> str:
    """The results as Markdown."""
    parts = [
        f"![Durable, idempotent orders a second, for each contender]({PICTURE.name})",
        _circumstances(document),
        _table(("measure", "", "median", "low – high", "goal", ""), _measures(document)),
        _table(
            (
                "contender",
                "work",
                "connections",
                "per second",
                "p50 ms",
                "p99 ms",
                "CPU service µs",
                "CPU database µs",
            ),
            _absolute(document),
        ),
    ]
    for name, why in document["skipped"].items():
        parts.append(f"Left out: `{name}`, {why}.")
    return "\n\n".join(parts)


def _circumstances(document: dict[str, Any]) -> str:
    machine, versions = document["machine"], document["versions"]
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    command = "make bench" + (" QUICK=1" if document["mode"] == "quick" else "")
    return (
        f"`{command}` on {machine['cores']} cores of {machine['processor']},"
        f" {machine['memory_gb']} GB; a small commit alone takes"
        f" {machine['commit_alone_ms']:.2f} ms; others used {document['used_by_others']:.0%} of the"
        f" machine meanwhile. {listed}."
    )


def _measures(document: dict[str, Any]) -> Iterable[Sequence[str]]:
    found = {**document["ratios"], **document["numbers"]}
    for name, told in document["goals"].items():
        values = found[name]
        yield (
            told["title"],
            f"`{name}`",
            f"{short(values['median'])} {values.get('unit', '')}".strip(),
            spread(values["low"], values["high"]),
            told["goal"] or "report",
            {True: "met", False: "**missed**", None: ""}[told["met"]],
        )


def _absolute(document: dict[str, Any]) -> Iterable[Sequence[str]]:
    for load in document["absolute"]:
        yield (
            TITLES[load["contender"]],
            load["work"] + (", slow disk" if load["slow_disk"] else ""),
            str(load["connections"]),
            f"{load['per_second']:,.0f}",
            f"{load['p50_ms']:.2f}",
            f"{load['p99_ms']:.2f}",
            f"{load['application_cpu_us']:,.0f}",
            f"{load['database_cpu_us']:,.0f}",
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
