"""The toolchains that a machine may have or not."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ANSWER_SECONDS: Final = 60
"""A Java that starts for the first time is slow."""
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
"""Maven is bold even where nobody sees it."""
_JAVA_OPTIONS: Final = re.compile(r"^(Picked up|NOTE: Picked up) .*$", re.M)
"""What a Java says first where the environment has options for it, such as -Xmx2g."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program on PATH, and the oldest version that will do: `go 1.24` or newer."""

    name: str
    version_option: str = "--version"
    oldest: tuple[int, ...] = ()


def missing(tools: Sequence[Tool]) -> str | None:
    """What the first tool lacks that is not there or too old, `no go` or `go 1.22 is older than
    1.25`; None where nothing does."""
    return next((lack for tool in tools if (lack := _lack(tool)) is not None), None)


def version_in(text: str) -> tuple[int, ...]:
    """The first version that a tool names: `go version go1.26.8 linux/amd64` is (1, 26, 8).
    Empty where there is none."""
    said = _JAVA_OPTIONS.sub("", _COLOUR.sub("", text))
    found = re.search(r"\d+(\.\d+)*", said)
    return tuple(map(int, found[0].split("."))) if found else ()


def _lack(tool: Tool) -> str | None:
    if shutil.which(tool.name) is None:
        return f"no {tool.name}"
    if not tool.oldest:
        return None
    found = version_in(_said(tool))
    # One that does not say its version is there: its row shall fail, and say why.
    if found and found < tool.oldest:
        return f"{tool.name} {_dotted(found)} is older than {_dotted(tool.oldest)}"
    return None


def _said(tool: Tool) -> str:
    try:
        ended = subprocess.run(
            [tool.name, tool.version_option],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
