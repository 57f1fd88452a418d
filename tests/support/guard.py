"""Cleans up after a test server, however the test run ended: `guard.py HOME`.

Its standard input is a pipe whose other end only the test run holds. When that closes, at the end
of the run or because the run was killed, what still serves from HOME is ended and HOME removed.
"""

import contextlib
import shutil
import signal
import sys
from pathlib import Path

import psutil

SHUTDOWN_SECONDS = 10


def end(pid: int) -> None:
    """End a server and its children, at once but in an order that frees shared memory."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        family = [server, *server.children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()
        server.send_signal(signal.SIGQUIT)
        _, alive = psutil.wait_procs(family, timeout=SHUTDOWN_SECONDS)
        for member in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()


def main(home: Path) -> None:
    """Wait for the end of the test run, then leave nothing of it behind."""
    sys.stdin.read()
    pid_file = home / "pid"
    if pid_file.exists():
        end(int(pid_file.read_text()))
    shutil.rmtree(home)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
