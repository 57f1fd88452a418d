"""What the commands share: a container to work with, and how a result is shown."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from entrypoints.container import Container, shut_down
from entrypoints.logs import configure_logs
from entrypoints.settings import Settings, load_settings

USER_ERROR = 2
FAILED = 1

Result = TypeVar("Result")
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def settings_of_this_process() -> Settings:
    settings = load_settings()
    configure_logs(settings.effective_log_format)
    return settings


def run(
    work: Callable[[Container], Awaitable[Result]],
    settings: Settings | None = None,
    *,
    migrated: bool = True,
) -> Result:
    """Do `work` with a container of its own, on a database that is migrated on the way if it is
    the embedded one."""

    async def work_and_shut_down() -> Result:
        container = Container(settings=settings or settings_of_this_process())
        try:
            if migrated and container.settings().is_embedded:
                await container.migrate()
            return await work(container)
        finally:
            await shut_down(container)

    return asyncio.run(work_and_shut_down())


def show(document: Any, text: str, as_json: bool) -> None:
    typer.echo(json.dumps(document) if as_json else text)
