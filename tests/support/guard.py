"""Cleans up after a test server, however the test run ended: `-m tests.support.guard HOME`.

Its standard input is a pipe whose other end only the test run holds. When that closes, at the end
of the run or because the run was killed, what still serves from HOME is killed and HOME removed.
"""

import shutil
import sys
from pathlib import Path

from tests.support import family


def main(home: Path) -> None:
    """Wait for the end of the test run, then leave nothing of it behind."""
    sys.stdin.read()
    pid_file = home / "pid"
    if pid_file.exists():
        family.kill(int(pid_file.read_text()))
        family.await_end(home / "log")
    shutil.rmtree(home)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
