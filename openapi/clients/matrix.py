"""What became of each row, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a row ended."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Of one row; `why` is empty where it is ok."""

    name: str
    verdict: Verdict
    why: str = ""

    @property
    def line(self) -> str:
        match self.verdict:
            case Verdict.OK:
                return f"{self.name}: ok"
            case Verdict.SKIPPED:
                return f"{self.name}: skipped ({self.why})"
            case Verdict.FAILED:
                return f"{self.name}: failed {self.why}"


def matrix(results: Sequence[Result]) -> str:
    """A line each."""
    return "\n".join(result.line for result in results)


def exit_status(results: Sequence[Result]) -> int:
    """1 when any failed. What is not on this machine is no failure."""
    return int(any(result.verdict is Verdict.FAILED for result in results))
