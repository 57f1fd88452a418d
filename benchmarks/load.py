"""Runs of the load generator."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from benchmarks import build

GRACE_SECONDS: Final = 60.0
"""How much longer than its window a run may take before it is ended."""
PLACEHOLDER: Final = "#"
COUNTER_WIDTH: Final = 16

_next_counter = count(1)
_KEYS_OF_A_RUN: Final = 10**9


class InvalidRun(Exception):
    """The load was not answered as it must be. The message says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, again and again. A run of '#' in `path`, `headers` or `body` is filled in: with
    a new key each time, or with `values` in turn, which are all as long as that run."""

    method: str
    path: str
    status: int
    body: str = ""
    headers: Mapping[str, str]
    values: Sequence[str] = ()
    least_bytes: int = 2

    def text(self) -> bytes:
        """The request as it is sent."""
        headers = {"Host": "127.0.0.1", "Accept": "*/*", **self.headers}
        if self.body:
            headers |= {
                "Content-Type": "application/json",
                "Content-Length": str(len(self.body.encode())),
            }
        lines = [f"{self.method} {self.path} HTTP/1.1", *map(": ".join, headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run of load found. `answered` counts the warm-up, the rest leaves it out."""

    answered: int
    seconds: float
    per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    statuses: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How much load: for `seconds` after `warmup`, or for `requests`, whichever ends first.
    Answers with one of `also` are right too, but not counted as done."""

    connections: int
    seconds: float
    warmup: float = 0.0
    requests: int | None = None
    also: tuple[int, ...] = ()
    pause_ms: int = 0


def run_load(port: int, request: Request, amount: Amount) -> Outcome:
    """Put load on a server. Raises InvalidRun when an answer is not as it must be."""
    with tempfile.TemporaryDirectory(prefix="harbor-bench-") as directory:
        template = Path(directory, "request")
        template.write_bytes(request.text())
        command = [*_command(port, request, amount), f"--template={template}"]
        if request.values:
            values = Path(directory, "values")
            values.write_text("".join(f"{value}\n" for value in request.values))
            command.append(f"--values={values}")
        found = _run(command, amount)
    if found["reconnects"] and not amount.also:
        raise InvalidRun(f"the server closed {found['reconnects']} connections after answering")
    return Outcome(**{name: found[name] for name in Outcome.__slots__})


def _command(port: int, request: Request, amount: Amount) -> list[str]:
    statuses = ",".join(map(str, (request.status, *amount.also)))
    command = [
        str(build.load_generator()),
        f"--port={port}",
        f"--connections={amount.connections}",
        f"--seconds={amount.seconds}",
        f"--warmup={amount.warmup}",
        f"--statuses={statuses}",
        f"--least-bytes={request.least_bytes}",
        f"--counter={next(_next_counter) * _KEYS_OF_A_RUN}",
        f"--pause-ms={amount.pause_ms}",
    ]
    if amount.requests is not None:
        command.append(f"--requests={amount.requests}")
    return command


def _run(command: list[str], amount: Amount) -> dict[str, Any]:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=amount.warmup + amount.seconds + GRACE_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise InvalidRun(error.stderr.strip()) from error
    except subprocess.TimeoutExpired as error:
        raise InvalidRun("the load did not end in time") from error
    found: dict[str, Any] = json.loads(ended.stdout)
    return found
