"""A server process and its children, as one thing to freeze, thaw and kill."""

import contextlib
import fcntl
from pathlib import Path

import psutil


def freeze(pid: int) -> list[psutil.Process]:
    """SIGSTOP the server, then its children: a stopped parent makes no new ones to miss.

    Returns all of them, the server first; none when it has gone.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        server.suspend()
        children = server.children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.suspend()
        return [server, *children]
    return []


def thaw(pid: int) -> None:
    """SIGCONT to the server and its children; one that is not frozen does not notice."""
    with contextlib.suppress(psutil.NoSuchProcess):
        server = psutil.Process(pid)
        for member in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()


def kill(pid: int) -> None:
    """SIGKILL the server and its children."""
    for member in freeze(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def await_end(log: Path) -> None:
    """Wait until the server and the last of its children are dead.

    All of them write to `log`, locked when the server was started: the lock falls when the last one
    dies. Their process numbers may stay for seconds longer, until init gets round to reaping.
    """
    with log.open() as output:
        fcntl.flock(output, fcntl.LOCK_EX)
