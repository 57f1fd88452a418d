"""Who is measured, and how each is started."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import build
from benchmarks.cluster import Cluster, libpq_url
from benchmarks.processes import Program
from tests.journeys.server import HARBOR, SECRET
from tests.support.server import CHECKOUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a contender works: its own database on a cluster, and the Redis."""

    cluster: Cluster
    database_url: str
    redis_url: str


def _uvicorn(module: str) -> tuple[str, ...]:
    """One process, as `uvicorn app:app` gives it, with uvloop and httptools and without a log."""
    options = ("--host", "127.0.0.1", "--port", "{port}", "--no-access-log")
    return (sys.executable, "-m", "uvicorn", f"{module}:app", *options)


def _peer_environment(place: Place) -> dict[str, str]:
    return {
        "DATABASE_URL": libpq_url(place.database_url),
        "REDIS_URL": place.redis_url,
        "MERCHANT_ID": place.cluster.merchant_id,
    }


def _in_python(place: Place, *packages: Path) -> dict[str, str]:
    path = os.pathsep.join(map(str, (CHECKOUT, *packages)))
    return _peer_environment(place) | {"PYTHONPATH": path}


def _harbor(place: Place, *arguments: str, **settings: str) -> Program:
    """As it ships: authentication, validation, a log line for each request."""
    return Program(
        command=(str(HARBOR), "serve", "--port", "{port}", *arguments),
        environment={
            "HARBOR_DATABASE_URL": place.database_url,
            "HARBOR_SECRET_KEY": SECRET,
            **settings,
        },
    )


def _harbor_redis(place: Place) -> Program:
    return _harbor(place, HARBOR_REDIS_URL=place.redis_url)


def _harbor_workers2(place: Place) -> Program:
    return _harbor(place, "--workers", "2")


def _tutorial(place: Place) -> Program:
    return Program(
        command=_uvicorn("benchmarks.peers.tutorial.app"),
        environment=_in_python(place) | {"DATABASE_URL": place.database_url},
    )


def _raw(place: Place) -> Program:
    return Program(
        command=_uvicorn("benchmarks.peers.raw.app"),
        environment=_in_python(place, build.orjson()),
    )


def _constant(place: Place) -> Program:
    command = _uvicorn("benchmarks.peers.constant.app")
    return Program(command=command, environment=_in_python(place))


def _go(place: Place) -> Program:
    return Program(command=(str(build.go_peer()),), environment=_peer_environment(place))


def _node(place: Place) -> Program:
    return Program(
        command=("node", str(build.node_peer())),
        environment=_peer_environment(place) | {"NODE_ENV": "production"},
    )


PROGRAMS: Final[Mapping[str, Callable[[Place], Program]]] = {
    "harbor": _harbor,
    "harbor_redis": _harbor_redis,
    "harbor_workers2": _harbor_workers2,
    "tutorial": _tutorial,
    "raw": _raw,
    "go": _go,
    "node": _node,
    "constant": _constant,
}
TITLES: Final[Mapping[str, str]] = {
    "harbor": "Harbor",
    "harbor_redis": "Harbor with Redis",
    "harbor_workers2": "Harbor, 2 processes",
    "tutorial": "Tutorial: FastAPI, ORM, Redis",
    "raw": "Raw ASGI, asyncpg",
    "go": "Go: net/http, pgx",
    "node": "Node: Fastify, pg",
    "constant": "uvicorn, a constant",
}
_BUILDS: Final[Mapping[str, Callable[[], Path]]] = {
    "raw": build.orjson,
    "go": build.go_peer,
    "node": build.node_peer,
}


def build_contender(name: str) -> None:
    """Raises build.NotBuilt where it cannot be built on this machine."""
    if name in _BUILDS:
        _BUILDS[name]()
