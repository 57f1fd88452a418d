"""Kills what the test run leaves behind: `-m tests.journeys.leash`.

Its standard input is a pipe whose other end only the test run holds: "+123" puts process 123 on the
leash, "-123" takes it off. At the end of the run, even if that was a kill, what is left is killed.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]


def put_on(pid: int) -> None:
    _tell(f"+{pid}")


def take_off(pid: int) -> None:
    _tell(f"-{pid}")


def _tell(line: str) -> None:
    pipe = _keeper().stdin
    assert pipe is not None
    pipe.write(f"{line}\n".encode())
    pipe.flush()


@cache
def _keeper() -> subprocess.Popen[bytes]:
    keeper = subprocess.Popen(
        [sys.executable, "-m", "tests.journeys.leash"],
        cwd=_CHECKOUT,
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    # Closes the pipe and waits.
    atexit.register(keeper.communicate)
    return keeper


def _keep() -> None:
    held: set[int] = set()
    for line in sys.stdin:
        (held.add if line[0] == "+" else held.discard)(int(line[1:]))
    for pid in held:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    _keep()
