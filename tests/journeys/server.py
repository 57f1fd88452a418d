"""A real `harbor serve` process, and the other commands of the real console script."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import psutil

from tests.journeys import leash

HARBOR = Path(sys.executable).with_name("harbor")
START_SECONDS = 30.0
STOP_SECONDS = 30.0
LINE_SECONDS = 10.0
SECRET = "k9" + "Xo2-vW7_" * 5

Found = TypeVar("Found")


class ServerDidNotStart(Exception):
    """The message is what the process said."""


class Lines:
    """What a process writes, line by line, as it comes."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._reader.start()

    def first(self, find: Callable[[str], Found | None], seconds: float = LINE_SECONDS) -> Found:
        """What `find` says of the first line for which it says something; waits for that line."""
        seen = 0
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if (found := find(line)) is not None:
                        return found
                seen = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise LookupError("no such line in:\n" + "\n".join(self._lines))
                self._changed.wait(left)

    def all(self) -> list[str]:
        with self._changed:
            return list(self._lines)

    def text(self) -> str:
        return "\n".join(self.all())

    def await_end(self) -> None:
        self._reader.join(LINE_SECONDS)

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    self._lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A line of the simulated gateway's books: something that it did."""

    reference: str
    kind: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


class Harbor:
    """One place to run Harbor in: a working directory and an environment without a stranger's
    settings. Without HARBOR_DATABASE_URL it is the embedded default, with its data in `data`."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.data = directory / "data"
        self.settings = dict(settings or {})
        self.environment = {
            **{name: os.environ[name] for name in os.environ if not name.startswith("HARBOR_")},
            "HARBOR_DATA_DIR": str(self.data),
            **self.settings,
        }

    @property
    def database_url(self) -> str:
        given = self.settings.get("HARBOR_DATABASE_URL")
        return given or f"sqlite+aiosqlite:///{self.data / 'harbor.db'}"

    @property
    def ledger(self) -> Path:
        """The books of the simulated gateway that runs here."""
        return self.data / "gateway.db"

    def effects(self) -> list[Effect]:
        """All that the simulated gateway here has ever done, from its own books."""
        if not self.ledger.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as books:
            if books.execute("PRAGMA user_version").fetchone() == (0,):
                return []  # its tables are being made
            rows = books.execute("SELECT reference, kind, amount FROM effects ORDER BY number")
            return [Effect(reference=each[0], kind=each[1], amount=each[2]) for each in rows]

    def run(
        self, *arguments: str, seconds: float = 60.0, typed: str = "", **settings: str
    ) -> Ended:
        """Run `harbor ARGUMENTS` to its end, with a person who has `typed` this and no more."""
        ended = subprocess.run(  # noqa: S603 - our own program
            [HARBOR, *arguments],
            cwd=self.directory,
            env=self.environment | settings,
            input=typed,
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
        )
        return Ended(code=ended.returncode, out=ended.stdout, err=ended.stderr)

    def create_merchant(self, name: str = "Acme") -> str:
        """The API key of a new merchant."""
        ended = self.run("merchant", "create", name, "--json")
        assert ended.code == 0, ended.err
        api_key: str = ended.document["api_key"]
        return api_key

    def start(self, *arguments: str, **settings: str) -> "HarborServer":
        """A server on a free port; the caller ends it. Raises ServerDidNotStart."""
        return HarborServer(self, arguments, settings)

    @contextmanager
    def serving(self, *arguments: str, **settings: str) -> Iterator["HarborServer"]:
        """A server, killed at the end whatever state a test left it in."""
        with _killed_at_the_end(self.start(*arguments, **settings)) as server:
            yield server

    @contextmanager
    def working(self, **settings: str) -> Iterator["HarborProcess"]:
        """A `harbor worker` that has begun its work, killed at the end."""
        with _killed_at_the_end(HarborProcess(self, ("worker",), settings)) as worker:
            worker.err.first(lambda line: "worker started" in line or None, START_SECONDS)
            yield worker

    @contextmanager
    def gateway(self, port: int = 0, **settings: str) -> Iterator["HarborGateway"]:
        """A `harbor gateway`, with its books in the data directory; killed at the end."""
        with _killed_at_the_end(HarborGateway(self, port, settings)) as gateway:
            yield gateway


class HarborProcess:
    """`harbor ARGUMENTS`, which runs until it is told to stop, in a process group of its own."""

    def __init__(
        self, harbor: Harbor, arguments: tuple[str, ...], settings: Mapping[str, str]
    ) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [HARBOR, *arguments],
            cwd=harbor.directory,
            env=harbor.environment | dict(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        leash.put_on(self.process.pid)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.out = Lines(self.process.stdout)
        self.err = Lines(self.process.stderr)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def memory_mb(self) -> float:
        """The resident memory of the process and its children together."""
        whole = psutil.Process(self.process.pid)
        everyone = (whole, *whole.children(recursive=True))
        return float(sum(each.memory_info().rss for each in everyone)) / 2**20

    def terminate(self) -> None:
        """SIGTERM: ask it to stop, and do not wait."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and wait for the end. Its exit code."""
        self.terminate()
        code = self.process.wait(STOP_SECONDS)
        self._forget()
        return code

    def kill(self) -> None:
        """SIGKILL to the process and its children; harmless when it has ended."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._forget()

    def _forget(self) -> None:
        leash.take_off(self.process.pid)
        self.out.await_end()
        self.err.await_end()


class HarborServer(HarborProcess):
    """`harbor serve --port 0`. Its socket takes connections from the moment this is made; what
    connects waits until the application has started."""

    def __init__(
        self, harbor: Harbor, arguments: tuple[str, ...], settings: Mapping[str, str]
    ) -> None:
        super().__init__(harbor, ("serve", "--port", "0", *arguments), settings)
        self.url = _address_of(self)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def await_started(self) -> None:
        """Wait until the application itself says that it has started."""
        self.err.first(lambda line: "startup complete" in line or None, START_SECONDS)

    def logged(self, request_id: str) -> dict[str, Any]:
        """The log line of one request; waits for it."""

        def find(line: str) -> dict[str, Any] | None:
            record: dict[str, Any] = json.loads(line)
            return record if record.get("request_id") == request_id else None

        return self.err.first(find)


class HarborGateway(HarborProcess):
    """`harbor gateway`."""

    def __init__(self, harbor: Harbor, port: int, settings: Mapping[str, str]) -> None:
        super().__init__(harbor, ("gateway", "--port", str(port)), settings)
        self.url = _address_of(self)


def _address_of(process: HarborProcess) -> str:
    """Where it says that it listens. Raises ServerDidNotStart."""
    try:
        return process.err.first(_address, START_SECONDS)
    except LookupError as error:
        process.kill()
        raise ServerDidNotStart(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """An installation that takes money: a server, whoever works for it, and the place where the
    gateway keeps its books."""

    harbor: Harbor
    server: HarborServer
    bank: Harbor


Started = TypeVar("Started", bound=HarborProcess)


@contextmanager
def _killed_at_the_end(process: Started) -> Iterator[Started]:
    try:
        yield process
    finally:
        process.kill()


def _address(line: str) -> str | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    address: str | None = record.get("address") if record.get("message") == "serving" else None
    return address
