"""Marks that a watched worker leaves, one line for each step of an operation, so that whoever kills
or freezes it knows where it stood."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Step(StrEnum):
    TAKING = "taking"
    """In the claim's transaction, with the row locked."""
    CLAIMED = "claimed"
    CALLING = "calling"
    CALLED = "called"
    RECORDING = "recording"
    RECORDED = "recorded"
    DROPPED = "dropped"
    """The claim was stale, and nothing was saved."""
    UNSAVED = "unsaved"
    """The database could not be asked."""


OVER = frozenset({Step.RECORDED, Step.DROPPED, Step.UNSAVED})


@dataclass(frozen=True, slots=True)
class Mark:
    """`at` is a moment of the machine's monotonic clock, which all of its processes share."""

    step: Step
    operation: str
    fence: int
    at: float
    beside: str = ""

    @property
    def is_over(self) -> bool:
        return self.step in OVER


@dataclass(frozen=True, slots=True)
class Claimed:
    """`started_at` is by the database's clock."""

    operation: str
    fence: int
    started_at: datetime


class MarkWriter:
    """Appends each mark with a write of its own: what was marked survives a kill."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def put(self, step: Step, operation: str, fence: int, beside: str = "-") -> None:
        line = f"{step} {operation} {fence} {time.monotonic():.6f} {beside}\n"
        os.write(self._descriptor, line.encode())


@dataclass(slots=True)
class MarkReader:
    """What one incarnation of a worker has marked so far."""

    path: Path
    latest: dict[tuple[str, int], Mark] = field(default_factory=dict)
    claims: dict[tuple[str, int], tuple[float, datetime]] = field(default_factory=dict)
    ends: Counter[Step] = field(default_factory=Counter)
    _read: int = 0

    def look(self) -> None:
        """Read what has come since the last look."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.decode().splitlines():
            self._note(line)

    def in_flight(self, lease: float) -> list[Mark]:
        """Where each operation stands whose claim still holds, by the last look."""
        return list(self._standing(time.monotonic() - lease))

    def claimed(self) -> Iterator[Claimed]:
        for (operation, fence), (_, started_at) in self.claims.items():
            yield Claimed(operation, fence, started_at)

    def _standing(self, oldest: float) -> Iterator[Mark]:
        for key, mark in self.latest.items():
            since, _ = self.claims.get(key, (mark.at, None))
            if not mark.is_over and since > oldest:
                yield mark

    def _note(self, line: str) -> None:
        step, operation, fence, at, beside = line.split(" ")
        mark = Mark(Step(step), operation, int(fence), float(at), beside)
        key = (operation, mark.fence)
        self.latest[key] = mark
        if mark.step is Step.CLAIMED:
            self.claims[key] = (mark.at, datetime.fromisoformat(beside))
        self.ends[mark.step] += mark.is_over
