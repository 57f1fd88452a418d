"""The rows of the matrix, one after the other."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from difflib import ndiff
from pathlib import Path
from typing import Final

from openapi.clients.languages.go import GO
from openapi.clients.languages.java import JAVA
from openapi.clients.languages.python import PYTHON
from openapi.clients.languages.typescript import TYPESCRIPT
from openapi.clients.lint import REDOCLY, SPECTRAL
from openapi.clients.live import Live, live_server
from openapi.clients.matrix import Result, Verdict
from openapi.clients.row import Do, Row
from openapi.clients.tools import missing
from openapi.clients.workshop import StepFailed, Workshop

ROWS: Final = {row.name: row for row in (TYPESCRIPT, PYTHON, GO, JAVA, SPECTRAL, REDOCLY)}

JOURNEY: Final = (
    "register a webhook endpoint",
    "place an order",
    "retry it: the same order",
    "handle a 422",
    "be told of order.authorized",
    "handle a 409",
    "capture it",
    "be told of order.paid",
    "refund a part",
    "be told of order.refunded",
    "fetch it",
    "read two types of events",
    "place an order whose answer is lost",
    "page through all orders",
    "refuse a forged webhook",
)
"""The same in every language, which prints `step: ` and each of these, in this order."""

_SAID: Final = "step: "
_INSTALLED: Final = shutil.ignore_patterns(
    "node_modules", "venv", "repository", "installed", ".*_cache", "__pycache__"
)


def run_rows(rows: Sequence[Row], home: Path, keep: Path | None = None) -> list[Result]:
    """What became of each, in order. All is made in folders of `home`; those of the languages that
    are ok are copied to folders of `keep` as well, without what was installed there.

    Raises ServerDidNotStart.
    """
    lacks = {row.name: missing(row.needs) for row in rows}
    travels = any(row.journey and lacks[row.name] is None for row in rows)
    results = []
    with live_server() if travels else nullcontext() as live:
        for row in rows:
            if (lack := lacks[row.name]) is not None:
                results.append(Result(name=row.name, verdict=Verdict.SKIPPED, why=lack))
                continue
            result = _run(row, home, live)
            results.append(result)
            if keep is not None and row.journey and result.verdict is Verdict.OK:
                copied = keep / row.name
                shutil.copytree(home / row.name, copied, ignore=_INSTALLED, dirs_exist_ok=True)
    return results


def check_journey(said: str) -> None:
    """Raises StepFailed where a journey did something else than all of them do."""
    done = [line.removeprefix(_SAID) for line in said.splitlines() if line.startswith(_SAID)]
    if done != list(JOURNEY):
        raise StepFailed("\n".join(["It went another way:", *ndiff(JOURNEY, done)]))


def _run(row: Row, home: Path, live: Live | None) -> Result:
    shop = Workshop(home / row.name, home / "logs" / f"{row.name}.log")
    for name, do in _steps(row, live).items():
        _say(f"== {row.name}: {name}")
        try:
            do(shop)
        except StepFailed as failure:
            _say(str(failure))
            why = f"to {name} (the log is {shop.log})"
            return Result(name=row.name, verdict=Verdict.FAILED, why=why)
    return Result(name=row.name, verdict=Verdict.OK)


def _steps(row: Row, live: Live | None) -> Mapping[str, Do]:
    if live is None or not row.journey:
        return row.steps

    def travel(shop: Workshop) -> None:
        before = len(live.relay.lost)
        check_journey(shop.run(*row.journey, **live.partner(row.name)))
        if len(live.relay.lost) == before:
            raise StepFailed("No answer was lost on its way.")

    return {**row.steps, "run": travel}


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
