"""Servers as processes: started, watched for processor time, and ended by their own number."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.journeys import leash
from tests.support.server import free_port, tail

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
_POLL_SECONDS: Final = 0.005


class DidNotStart(Exception):
    """The message is what the process said last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """How to start a server: `{port}` in its arguments is the port to listen on, which PORT in its
    environment tells too."""

    command: tuple[str, ...]
    environment: Mapping[str, str]


class Running:
    """A server that listens."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    @property
    def cpu_seconds(self) -> float:
        return cpu_seconds(self.process.pid)


@contextmanager
def running(program: Program, log: Path) -> Iterator[Running]:
    """The server, listening; ended at the end. What it writes goes to the file `log`.

    Raises DidNotStart.
    """
    port = free_port()
    with started(program, log, port) as process:
        _await_listening(process, port, log)
        yield Running(process, port, log)


@contextmanager
def started(program: Program, log: Path, port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """The process; ended at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [part.format(port=port) for part in program.command],
            # Where there is no .env that would change Harbor's settings.
            cwd=log.parent,
            env=_clean_environment() | {"PORT": str(port)} | dict(program.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    leash.put_on(process.pid)
    try:
        yield process
    finally:
        _end(process)
        leash.take_off(process.pid)


def cpu_seconds(pid: int) -> float:
    """The processor time of a process, its living descendants, and those it has waited for."""
    whole = psutil.Process(pid)
    total = 0.0
    for each in (whole, *whole.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def memory_mb(pid: int) -> float:
    """The resident memory of a process and its descendants, together."""
    whole = psutil.Process(pid)
    everyone = (whole, *whole.children(recursive=True))
    return float(sum(each.memory_info().rss for each in everyone)) / 2**20


def _clean_environment() -> dict[str, str]:
    """Ours without a stranger's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HARBOR_")}


def _await_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DidNotStart(tail(log))
        time.sleep(_POLL_SECONDS)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to stop, then end its whole process group, which is only its own."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
