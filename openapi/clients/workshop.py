"""Where one row is built: a folder of its own, and a log of all that was run in it."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.journeys import leash

COMMAND_SECONDS: Final = 900
"""No command takes longer than this, with what it downloads."""

_LAST_LINES: Final = 15
_INSTALLED: Final = "installed"
_LEFT: Final = shutil.ignore_patterns("__pycache__", ".*_cache")


class StepFailed(Exception):
    """The message is the last that a command said."""


class Workshop:
    """The folder `home`, kept from run to run, and the file `log`, written anew."""

    def __init__(self, home: Path, log: Path) -> None:
        self.home = home
        self.log = log
        home.mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")

    def lay_out(self, sources: Path, *, keep: Collection[str] = ()) -> None:
        """Copy the sources here, and remove whatever else is here but for the names in `keep`."""
        for old in self.home.iterdir():
            if old.name in {*keep, _INSTALLED}:
                continue
            if old.is_dir():
                shutil.rmtree(old)
            else:
                old.unlink()
        shutil.copytree(sources, self.home, ignore=_LEFT, dirs_exist_ok=True)

    def installed(self, locks: Sequence[str], install: Callable[[], object]) -> None:
        """Install, unless it was done already from the same locks: files here, by name."""
        content = b"".join((self.home / lock).read_bytes() for lock in locks)
        digest = hashlib.sha256(content).hexdigest()
        stamp = self.home / _INSTALLED
        if stamp.exists() and stamp.read_text(encoding="ascii") == digest:
            return
        stamp.unlink(missing_ok=True)
        install()
        stamp.write_text(digest, encoding="ascii")

    def run(self, *command: str | Path, **settings: str) -> str:
        """Run it here, to its end. What it said, which is in the log as well. The settings
        are added to its environment.

        Raises StepFailed when it cannot be started, fails, or takes longer than COMMAND_SECONDS.
        """
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(map(str, command))}\n".encode())
            log.flush()
            before = log.tell()
            code = self._await(command, settings, log.fileno())
        said = self.log.read_bytes()[before:].decode(errors="replace")
        if code != 0:
            raise StepFailed(_last(said) or f"{command[0]} ended with {code} and said nothing")
        return said

    def _await(
        self, command: Sequence[str | Path], settings: Mapping[str, str], output: int
    ) -> int:
        """Its exit code. It is a process group of its own, none of which is left."""
        try:
            process = subprocess.Popen(
                command,
                cwd=self.home,
                env={**os.environ, **settings},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise StepFailed(str(error)) from error
        leash.put_on(process.pid)
        try:
            return process.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise StepFailed(f"{command[0]} took longer than {COMMAND_SECONDS} seconds") from None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            leash.take_off(process.pid)


def _last(said: str) -> str:
    """Without colours, and without the password that the address of an index may hold."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    lines = [line.rstrip() for line in plain.splitlines() if line.strip()]
    return re.sub(r"//[^/\s@]+@", "//…@", "\n".join(lines[-_LAST_LINES:]))
