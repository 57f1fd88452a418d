"""Building what is not Python, into .venv/bench; what was built from the same sources is kept."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent
BUILT: Final = Path(sys.prefix, "bench")
BUILD_SECONDS: Final = 300
"""No build takes longer than this, with what it downloads."""


class NotBuilt(Exception):
    """The message says what is missing or what the compiler said."""


def load_generator() -> Path:
    """The program of load.c."""
    source = SOURCES / "load.c"

    def build(target: Path) -> None:
        _compile("-O2", "-o", str(target / "load"), str(source))

    return _kept("load", [source], build) / "load"


def slow_sync() -> Path:
    """The library of slow_sync.c, to be preloaded."""
    source = SOURCES / "slow_sync.c"

    def build(target: Path) -> None:
        library = target / "slow_sync.so"
        _compile("-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl")

    return _kept("slow_sync", [source], build) / "slow_sync.so"


def go_peer() -> Path:
    """The Go peer's program. Raises NotBuilt where there is no go."""
    go = shutil.which("go")
    if go is None:
        raise NotBuilt("go is not installed")
    folder = SOURCES / "peers/go"

    def build(target: Path) -> None:
        _run([go, "build", "-o", str(target / "peer"), "."], folder)

    return _kept("go", _files(folder, "*.go", "go.*"), build) / "peer"


def node_peer() -> Path:
    """The Node peer's main file, with its packages beside it. Raises NotBuilt without node."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotBuilt("node and npm are not installed")
    sources = _files(SOURCES / "peers/node", "*.js", "*.json")

    def build(target: Path) -> None:
        for source in sources:
            shutil.copy(source, target)
        _run([npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], target)

    return _kept("node", sources, build) / "app.js"


def orjson() -> Path:
    """A directory to import orjson from, which Harbor itself does not need."""
    requirements = SOURCES / "peers/raw/requirements.txt"

    def build(target: Path) -> None:
        options = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
        pip = [sys.executable, "-m", "pip", "install", *options]
        _run([*pip, "--target", str(target), "-r", str(requirements)], SOURCES)

    return _kept("orjson", [requirements], build)


def _compile(*arguments: str) -> None:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NotBuilt("a C compiler is needed: install gcc or clang, or set CC")
    _run([compiler, "-std=c11", "-Wall", "-Wextra", *arguments], SOURCES)


def _run(command: list[str], directory: Path) -> None:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    try:
        subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=BUILD_SECONDS,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise NotBuilt(f"{Path(command[0]).name} failed: {error.stderr.strip()[-500:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"{Path(command[0]).name} failed: {error}") from error


def _files(folder: Path, *patterns: str) -> list[Path]:
    return sorted(file for pattern in patterns for file in folder.glob(pattern))


def _kept(name: str, sources: list[Path], build: Callable[[Path], None]) -> Path:
    """The directory for `name`, built anew if the sources are not those it was built from."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    target = BUILT / f"{name}-{digest[:16]}"
    if not target.exists():
        for former in BUILT.glob(f"{name}-*"):
            shutil.rmtree(former)
        draft = BUILT / f"{name}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            build(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        draft.rename(target)
    return target
