"""On what it was measured: versions and facts of the machine, nothing that names it."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.cluster import Cluster, commit_ms

_DISTRIBUTIONS: Final = (
    "asyncpg",
    "fastapi",
    "httptools",
    "pydantic",
    "redis",
    "sqlalchemy",
    "uvicorn",
    "uvloop",
)
_DURABILITY: Final = (
    "fsync",
    "synchronous_commit",
    "wal_sync_method",
    "full_page_writes",
    "commit_delay",
    "shared_buffers",
)


def circumstances(cluster: Cluster) -> dict[str, Any]:
    """For the results file."""
    return {
        "machine": _machine(cluster),
        "versions": _versions(cluster),
        "postgresql": _settings(cluster),
    }


def _machine(cluster: Cluster) -> dict[str, Any]:
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "commit_alone_ms": round(commit_ms(cluster), 3),
    }


def _processor() -> str:
    """As the kernel names it; unknown where it does not."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


def _versions(cluster: Cluster) -> dict[str, str]:
    versions = {name: importlib.metadata.version(name) for name in _DISTRIBUTIONS}
    versions["python"] = platform.python_version()
    versions["postgresql"] = str(cluster.run("SHOW server_version")[0][0])
    for name, command in (("go", ["go", "env", "GOVERSION"]), ("node", ["node", "--version"])):
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        versions[name] = found.stdout.strip()
    return versions


def _settings(cluster: Cluster) -> dict[str, str]:
    return {name: str(cluster.run(f"SHOW {name}")[0][0]) for name in _DURABILITY}
