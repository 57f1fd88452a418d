"""Whom a test server runs as, and where that account may read and write."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Account:
    """A user and group id to start programs as; None means whoever runs the tests."""

    user: int | None = None
    group: int | None = None

    @classmethod
    def for_servers(cls) -> Self:
        """`nobody` when root runs the tests, since PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return cls()
        nobody = pwd.getpwnam("nobody")
        return cls(nobody.pw_uid, nobody.pw_gid)

    def start(self, command: list[str], *, home: Path, output: int) -> subprocess.Popen[bytes]:
        """Start a command in `home`, out of reach of our settings and of the terminal's Ctrl-C.

        `output` is a file descriptor, or subprocess.DEVNULL. Raises OSError when it cannot start.
        """
        return subprocess.Popen(
            command,
            cwd=home,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=self.user,
            group=self.group,
            extra_groups=None if self.user is None else [],
            start_new_session=True,
        )

    def new_home(self) -> Path:
        """Make a fresh directory that only this account may enter."""
        temp = Path(tempfile.gettempdir())
        # Root's own TMPDIR may lie where nobody else can go.
        parent = temp if self.user is None or _is_open_to_all(temp) else Path("/tmp")  # noqa: S108
        home = Path(tempfile.mkdtemp(prefix="harbor-", dir=parent)).resolve()
        self._own(home)
        return home

    def write_private(self, path: Path, text: str) -> None:
        """Write a file that only this account may read."""
        path.touch(mode=0o600)
        path.write_text(text)
        self._own(path)

    def reach(self, program: Path, *, parts: Sequence[Path], home: Path) -> Path:
        """The program, or its copy below `home` when this account cannot run it where it is.

        A checkout in /root, for one, is closed to `nobody`. `parts` are the files and directories,
        side by side, that hold the program and all that it needs.
        """
        if self._can_run(program):
            return program
        for part in parts:
            self._copy(part, home / part.name)
        return home / program.relative_to(parts[0].parent)

    def _can_run(self, program: Path) -> bool:
        try:
            trial = self.start(
                [str(program), "--version"], home=Path("/"), output=subprocess.DEVNULL
            )
        except PermissionError:
            return False
        return trial.wait() == 0

    def _copy(self, source: Path, target: Path) -> None:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        for path in (target, *target.rglob("*")):
            self._own(path)

    def _own(self, path: Path) -> None:
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


def _is_open_to_all(directory: Path) -> bool:
    return all(place.stat().st_mode & 0o001 for place in (directory, *directory.parents))
