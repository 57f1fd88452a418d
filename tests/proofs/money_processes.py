"""The processes of a run: the simulated gateway and the watched workers."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
import psutil

from tests.journeys import leash
from tests.journeys.server import HARBOR, Harbor, Lines
from tests.proofs.money_marks import MarkReader

CHECKOUT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.001


class Process:
    """A process in a group of its own that somebody kills, freezes and thaws."""

    def __init__(self, harbor: Harbor, command: Sequence[str | Path], started: str) -> None:
        self._started = started
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            cwd=harbor.directory,
            env=harbor.environment | {"PYTHONPATH": str(CHECKOUT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        leash.put_on(self.process.pid)
        assert self.process.stderr is not None
        self.err = Lines(self.process.stderr)

    def await_started(self) -> None:
        """Until it says so itself."""
        self.err.first(lambda line: f'"{self._started}"' in line or None, START_SECONDS)

    def kill(self) -> None:
        """SIGKILL; harmless when it has ended."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            leash.take_off(self.process.pid)
            self.err.await_end()

    def freeze(self) -> None:
        """SIGSTOP, and wait until it stands still."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        deadline = time.monotonic() + _STOP_SECONDS
        while psutil.Process(self.process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, "the process does not stop"
            time.sleep(_LOOK_SECONDS)

    def thaw(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def complaints(self) -> list[str]:
        """What it logged as errors, which no fault excuses."""
        return [line for line in self.err.all() if is_error(line)]


def is_error(line: str) -> bool:
    try:
        return json.loads(line).get("level") in ("ERROR", "CRITICAL")
    except ValueError:
        # A line that a kill cut off, or one of no logger, such as a warning of the interpreter.
        return "Traceback" in line


class Gateway(Process):
    """`harbor gateway` on a port that stays the same, with its books in the data directory."""

    def __init__(self, harbor: Harbor, port: int) -> None:
        super().__init__(harbor, [HARBOR, "gateway", "--port", str(port)], "serving")
        self._health = f"http://127.0.0.1:{port}/health"

    def await_started(self) -> None:
        """Until its books lie open."""
        super().await_started()
        answer = httpx2.get(self._health, timeout=START_SECONDS, trust_env=False)
        assert answer.status_code == 200, answer.text


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    longest_stay: float
    mutant: str = "none"


class Worker(Process):
    """One incarnation of a watched worker."""

    def __init__(self, harbor: Harbor, name: str, options: WorkerOptions) -> None:
        self.marks = MarkReader(harbor.directory / f"{name}.marks")
        command: list[str | Path] = [
            *(sys.executable, "-m", "tests.proofs.watched_worker"),
            *("--marks", self.marks.path, "--seed", name, "--mutant", options.mutant),
            *("--longest-stay", str(options.longest_stay)),
        ]
        super().__init__(harbor, command, "worker started")
