"""The service does what its document says: Schemathesis makes requests of the document, good ones
and bad ones, one by one and in chains, and checks every answer against it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.journeys.api import client_of
from tests.journeys.server import Harbor, HarborServer
from tests.proofs.conftest import Say

pytestmark = pytest.mark.anyio

SCHEMATHESIS: Final = Path(sys.executable).with_name("schemathesis")
SUPPORT: Final = Path(__file__).parents[1] / "support"
SEED: Final = 20_261_121
ENDLESS: Final = "/v1/events/stream"
"""Its answer has no end to wait for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """`examples` of each operation; then chains, for `seconds`."""

    examples: int
    seconds: int
    minutes: int
    fewest_cases: int
    fewest_chained: int


SMALL: Final = Scale(examples=140, seconds=30, minutes=5, fewest_cases=5_000, fewest_chained=100)
FULL: Final = Scale(
    examples=1_900, seconds=600, minutes=120, fewest_cases=50_000, fewest_chained=2_000
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Schemathesis reports. `chained` are cases with what an answer before had given,
    `untested` operations."""

    cases: int
    chained: int
    untested: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Schemathesis:
    """Runs it in `folder` against the server at `url`."""

    folder: Path
    url: str
    environment: dict[str, str]
    minutes: int

    def run(self, phases: Sequence[str], *options: str) -> Told:
        """Nothing fails, and every phase has been there."""
        command = [
            *(str(SCHEMATHESIS), "--config-file", str(SUPPORT / "schemathesis.toml")),
            *("run", f"{self.url}/openapi.json", "--checks", "all", "--exclude-path", ENDLESS),
            *("--seed", str(SEED), "--phases", ",".join(phases), *options),
            *("--report", "json,ndjson"),
            *("--report-json-path", "report.json", "--report-ndjson-path", "report.ndjson"),
        ]
        ended = subprocess.run(  # noqa: S603 - our own tool
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=self.minutes * 60,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-5_000:]
        report = json.loads((self.folder / "report.json").read_text())
        assert {name: report["phases"][name]["status"] for name in phases} == dict.fromkeys(
            phases, "success"
        )
        operations = report["operations"]
        assert operations["selected"] == operations["total"] - 1
        return Told(
            cases=report["test_cases"]["generated"],
            chained=sum(_chained(self.folder / "report.ndjson")),
            untested=operations["selected"] - operations["tested"],
            seconds=report["running_time"],
        )


async def test_the_service_does_what_its_document_says(
    on_postgresql: Harbor, tmp_path: Path, full: bool, say: Say
) -> None:
    scale = FULL if full else SMALL
    on_postgresql.run("migrate")
    api_key = on_postgresql.create_merchant()
    with on_postgresql.serving() as server, on_postgresql.working():
        schemathesis = Schemathesis(
            folder=tmp_path,
            url=server.url,
            environment={
                **on_postgresql.environment,
                "HARBOR_API_KEY": api_key,
                "HARBOR_OWN_KEY_ID": await _id_of(server, api_key),
                "SCHEMATHESIS_HOOKS": str(SUPPORT / "schemathesis_hooks.py"),
            },
            minutes=scale.minutes,
        )
        single = schemathesis.run(
            ["examples", "coverage", "fuzzing"], "--max-examples", str(scale.examples)
        )
        # It leaves off where a chain that is begun again is answered differently, as it is when a
        # payment has come to its end meanwhile. With a limit of time it then makes others.
        chains = schemathesis.run(["stateful"], "--max-time", str(scale.seconds))
    say(
        f"{single.cases} cases in {single.seconds:.0f} s; {chains.cases} in chains,"
        f" {chains.chained} of them with what an answer before had given, in {chains.seconds:.0f} s"
    )
    assert single.untested == 0
    assert single.cases + chains.cases >= scale.fewest_cases
    assert chains.chained >= scale.fewest_chained


async def _id_of(server: HarborServer, api_key: str) -> str:
    async with client_of(server) as client:
        answer = await client.get("/v1/api-keys", headers={"Authorization": f"Bearer {api_key}"})
        (only,) = answer.json()["data"]
        found: str = only["id"]
        return found


def _chained(events: Path) -> Iterator[int]:
    """For each chain of requests, how many took something from an answer before."""
    for line in events.read_text().splitlines():
        event: dict[str, Any] = json.loads(line).get("ScenarioFinished", {})
        if event.get("phase") == "stateful":
            cases = event["recorder"].get("cases", {}).values()
            yield sum(bool(case["is_transition_applied"]) for case in cases)
