"""A server process that tests may kill, freeze and start again, and that never outlives them."""

import contextlib
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support import guard
from tests.support.account import Account

READY_SECONDS = 60
SHUTDOWN_SECONDS = 20
POLL_SECONDS = 0.01
# Below every system's ephemeral range, so that no client's own port takes a killed server's place.
PORTS = range(20_000, 32_000)


class ServerUnavailableError(RuntimeError):
    """A server the tests need is not there or does not start; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to run one kind of server.

    `is_ready` takes the process id and tells whether that process accepts commands by now.
    `stop_signal` asks for a clean end that does not wait for clients.
    """

    url: str
    command: list[str]
    stop_signal: signal.Signals
    is_ready: Callable[[int], bool]


class Server:
    """One server on one port and data directory, in a process of its own.

    `kill` ends it as a power cut would, `restart` brings the same server back, `freeze` leaves it
    connected but silent until `thaw`. Each returns when its effect is complete.
    Only the process that started the server stops it: a forked child leaves it alone.
    """

    def __init__(self, recipe: Recipe, *, account: Account, home: Path) -> None:
        self.url = recipe.url
        self._recipe = recipe
        self._account = account
        self._home = home
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        # The server and its children hold the other end of this pipe until the last one is dead.
        # (To wait for their numbers to go is slow: that is when init gets round to reaping them.)
        self._lifeline = -1

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerUnavailableError with its last words."""
        self._lifeline, kept = os.pipe()
        with (self._home / "log").open("ab") as log, os.fdopen(kept):
            self._process = self._account.start(
                self._recipe.command, home=self._home, output=log.fileno(), keep=[kept]
            )
        (self._home / "pid").write_text(str(self._process.pid))
        self._await_ready(self._process)

    def stop(self) -> None:
        """Shut down cleanly; what does not end in time is killed."""
        if self._process is None or os.getpid() != self._owner:
            return
        self.thaw()
        self._process.send_signal(self._recipe.stop_signal)
        try:
            self._process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        else:
            self._forget()

    def kill(self) -> None:
        """SIGKILL the server and all its children, and wait until none of them is left."""
        if self._process is None:
            return
        for member in self._freeze_family(self._process):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait()
        select.select([self._lifeline], [], [], SHUTDOWN_SECONDS)
        self._forget()

    def restart(self) -> None:
        """Start again where it was; a server that still runs is stopped first."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None:
            self._freeze_family(self._process)

    def thaw(self) -> None:
        """Let a frozen server go on; one that is not frozen does not notice."""
        if self._process is None or self._process.poll() is not None:
            return
        server = psutil.Process(self._process.pid)
        for member in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()

    def _freeze_family(self, process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Stop the server, then its children: a stopped parent makes no new ones to miss."""
        if process.poll() is not None:
            return []
        server = psutil.Process(process.pid)
        server.suspend()
        children = server.children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.suspend()
        return [server, *children]

    def _forget(self) -> None:
        # The guard must never find the number of a process that is no longer ours.
        (self._home / "pid").unlink(missing_ok=True)
        os.close(self._lifeline)
        self._process = None

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._recipe.is_ready(process.pid):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
                self._forget()
                raise ServerUnavailableError(self._complaint("ended while starting"))
            if time.monotonic() > deadline:
                self.kill()
                raise ServerUnavailableError(self._complaint("was not ready in time"))

    def _complaint(self, what: str) -> str:
        return f"{self._recipe.command[0]} {what}: {tail(self._home / 'log')}"


def tail(log: Path) -> str:
    """The last lines of a log, for an error message."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    candidates = list(PORTS)
    # Not the shared generator: Hypothesis seeds it, and parallel runs would ask for the same port.
    random.SystemRandom().shuffle(candidates)
    return next(port for port in candidates if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextmanager
def guarded_home(account: Account) -> Iterator[Path]:
    """A fresh directory for one server, removed at the end even if this process is killed."""
    home = account.new_home()
    command = [sys.executable, "-P", guard.__file__, str(home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        # Leaving the block closes the guard's standard input and waits for it to tidy up.
        yield home


@contextmanager
def running(recipe: Recipe, *, account: Account, home: Path) -> Iterator[Server]:
    """The server of a recipe, ready; stopped at the end whatever state a test left it in."""
    server = Server(recipe, account=account, home=home)
    try:
        server.start()
        yield server
    finally:
        server.stop()
