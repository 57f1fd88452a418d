"""What a server process does without until it is used: memory and a part of every start."""

import subprocess
import sys
from typing import Final

DISPENSABLE: Final = {
    "aiohttp": "only who calls a gateway or sends webhooks",
    "alembic": "only a start that has something to migrate",
    "asyncpg": "only on PostgreSQL",
    "entrypoints.conformance": "only `harbor conformance`",
    "fastapi_offline": "its files are served, its code is not wanted",
    "redis": "only where HARBOR_REDIS_URL is set",
    "sqlalchemy.ext.asyncio": "it brings the ORM, which nothing here uses: adapters/sql/engine.py",
    "sqlalchemy.orm": "nothing here uses it",
}

_LOAD: Final = "import sys, entrypoints.cli, entrypoints.serve; print(*sys.modules, sep='\\n')"


def test_a_server_does_without_what_it_may_never_use() -> None:
    loaded = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _LOAD], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "entrypoints.http.app" in loaded
    assert {name: why for name, why in DISPENSABLE.items() if name in loaded} == {}
