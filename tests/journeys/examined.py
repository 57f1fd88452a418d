"""What `harbor conformance` said, as a table, as JSON and as JUnit XML."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import psutil

from tests.journeys.forked import run_forked
from tests.journeys.server import Ended, Harbor

Checks = set[tuple[str, str]]
"""Scenario and check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A run with --json and --junit."""

    ended: Ended
    junit: ElementTree.Element

    def those(self, result: str) -> Checks:
        cases = self.ended.document["cases"]
        return {(each["scenario"], each["check"]) for each in cases if each["result"] == result}

    def assert_consistent(self, kit: str) -> None:
        """The XML says what the JSON says, and the exit code as well."""
        document = self.ended.document
        assert document["kit"] == kit
        assert document["passed"] is (document["counts"]["failed"] == 0)
        assert self.ended.code == (0 if document["passed"] else 1), self.ended.err
        (suite,) = self.junit
        for element in (self.junit, suite):
            counted = [element.get(name) for name in ("tests", "failures", "skipped", "errors")]
            counts = document["counts"]
            total = sum(counts.values())
            assert counted == [str(total), str(counts["failed"]), str(counts["skipped"]), "0"]
        prefix = f"harbor.conformance.{kit}."
        said = [_said(each, prefix) for each in suite.iter("testcase")]
        assert said == [_expected(each) for each in document["cases"]]
        assert (suite.findtext("system-out") or "").splitlines() == document["notes"]


def _said(element: ElementTree.Element, prefix: str) -> tuple[str | None, ...]:
    classname = element.get("classname") or ""
    failure, skipped = element.find("failure"), element.find("skipped")
    for verdict, result in ((failure, "failed"), (skipped, "skipped")):
        if verdict is not None:
            return (
                classname.removeprefix(prefix),
                element.get("name"),
                result,
                verdict.get("message"),
            )
    return classname.removeprefix(prefix), element.get("name"), "passed", None


def _expected(case: dict[str, Any]) -> tuple[str | None, ...]:
    message = " ".join(filter(None, (case["detail"], case["advice"])))
    told = None if case["result"] == "passed" else message
    return case["scenario"], case["check"], case["result"], told


def examine(directory: Path, kit: str, *arguments: str, **settings: str) -> Examined:
    junit = directory / "report.xml"
    told = ("--json", "--junit", str(junit))
    ended = run_forked(Harbor(directory), "conformance", kit, *arguments, *told, **settings)
    assert ended.code in {0, 1}, ended.err
    assert junit.exists(), ended.err
    return Examined(ended=ended, junit=ElementTree.parse(junit).getroot())  # noqa: S314 - our own


def each(scenarios: Iterable[str], *checks: str) -> Checks:
    return {(scenario, check) for scenario in scenarios for check in checks}


def is_running(pid_file: Path) -> bool:
    """A zombie is not: who reaps orphans here is none of our business."""
    try:
        process = psutil.Process(int(pid_file.read_text()))
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def await_file(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()
