"""A server process that tests may kill, freeze and start again, and that never outlives them."""

import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import family
from tests.support.account import Account

READY_SECONDS = 60
SHUTDOWN_SECONDS = 20
POLL_SECONDS = 0.01
CHECKOUT = Path(__file__).parents[2]
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
        self._log = home / "log"
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers. Raises ServerUnavailableError with its last words."""
        with self._log.open("ab") as log:
            fcntl.flock(log, fcntl.LOCK_SH)  # what family.kill waits for
            self._process = self._account.start(
                self._recipe.command, home=self._home, output=log.fileno()
            )
        (self._home / "pid").write_text(str(self._process.pid))
        self._await_ready(self._process)

    def stop(self) -> None:
        """Shut down cleanly; what does not end in time is killed."""
        if self._process is None or os.getpid() != self._owner:
            return
        self.thaw()
        self._process.send_signal(self._recipe.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(SHUTDOWN_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the server and all its children, and wait until none of them is left."""
        if self._process is None:
            return
        if self._process.poll() is None:
            family.kill(self._process.pid)
            self._process.wait()
        family.await_end(self._log)
        # The guard must never find the number of a process that is no longer ours.
        (self._home / "pid").unlink()
        self._process = None

    def restart(self) -> None:
        """Start again where it was; a server that still runs is stopped first."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        if self._process is not None and self._process.poll() is None:
            family.freeze(self._process.pid)

    def thaw(self) -> None:
        """Let a frozen server go on; one that is not frozen does not notice."""
        if self._process is not None and self._process.poll() is None:
            family.thaw(self._process.pid)

    def _await_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._recipe.is_ready(process.pid):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
                raise ServerUnavailableError(self._complaint("ended while starting"))
            if time.monotonic() > deadline:
                raise ServerUnavailableError(self._complaint("was not ready in time"))

    def _complaint(self, what: str) -> str:
        return f"{self._recipe.command[0]} {what}: {tail(self._log)}"


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
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.guard", str(home)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        start_new_session=True,
    ):
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
