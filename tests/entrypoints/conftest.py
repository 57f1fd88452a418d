"""The command line in a directory of its own, and the application without a process."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings
from tests.journeys.server import SECRET, Harbor


@pytest.fixture
def harbor(tmp_path: Path) -> Harbor:
    """The embedded default in an empty directory."""
    return Harbor(tmp_path)


@pytest.fixture(scope="session")
def app() -> FastAPI:
    """The application over a database that is never opened."""
    settings = Settings.model_construct(
        database_url="sqlite+aiosqlite:////dev/null", secret_key=SecretStr(SECRET)
    )
    return create_app(Container(settings=settings))
