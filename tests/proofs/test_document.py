"""The service does what its document says: Schemathesis makes requests of the document, good ones
and bad ones, one by one and in chains, and checks every answer against it."""

import json
import subprocess
import sys
from collections.abc import Iterator
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
MINUTES: Final = 15
PHASES: Final = {"examples", "coverage", "fuzzing", "stateful"}
ENDLESS: Final = "/v1/events/stream"
"""Its answer has no end to wait for."""


async def test_the_service_does_what_its_document_says(
    on_postgresql: Harbor, tmp_path: Path, full: bool, say: Say
) -> None:
    wanted, examples = (50_000, 1_900) if full else (5_000, 140)
    on_postgresql.run("migrate")
    api_key = on_postgresql.create_merchant()
    with on_postgresql.serving() as server, on_postgresql.working():
        environment = {
            **on_postgresql.environment,
            "HARBOR_API_KEY": api_key,
            "HARBOR_OWN_KEY_ID": await _id_of(server, api_key),
            "SCHEMATHESIS_HOOKS": str(SUPPORT / "schemathesis_hooks.py"),
        }
        command = [
            *(str(SCHEMATHESIS), "--config-file", str(SUPPORT / "schemathesis.toml")),
            *("run", f"{server.url}/openapi.json", "--checks", "all"),
            *("--exclude-path", ENDLESS, "--max-examples", str(examples), "--seed", str(SEED)),
            *("--report", "json,ndjson"),
            *("--report-json-path", "report.json", "--report-ndjson-path", "report.ndjson"),
        ]
        ended = subprocess.run(  # noqa: ASYNC221, S603 - our own tool; nothing else is under way
            command,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=MINUTES * 60 * (8 if full else 1),
            check=False,
        )
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr[-5_000:]
    report = json.loads((tmp_path / "report.json").read_text())
    chained = sum(_chained(tmp_path / "report.ndjson"))
    say(
        f"{report['test_cases']['generated']} cases, {chained} of them with what an answer before"
        f" had given, in {report['running_time']:.0f} s"
    )
    assert report["complete"]
    assert {name: phase["status"] for name, phase in report["phases"].items()} == dict.fromkeys(
        PHASES, "success"
    )
    operations = report["operations"]
    assert operations["tested"] == operations["total"] - 1
    assert report["test_cases"]["generated"] >= wanted
    assert chained >= wanted // 50


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
