"""`harbor ARGUMENTS` in processes that are forked from one which has imported everything: each of
many runs would take a second to begin."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from entrypoints.cli import main
from tests.journeys.server import Ended, Harbor

RUN_SECONDS = 60.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["entrypoints.conformance.client", "entrypoints.conformance.receiver", "aiohttp", __name__]
)


def run_forked(harbor: Harbor, *arguments: str, **settings: str) -> Ended:
    """As `Harbor.run` does."""
    environment = harbor.environment | settings
    running = _processes.Process(
        target=_run, args=(harbor.directory, arguments, environment), daemon=False
    )
    running.start()
    running.join(RUN_SECONDS)
    if running.exitcode is None:
        running.kill()
        raise TimeoutError(f"harbor {' '.join(arguments)}")
    out, err = ((harbor.directory / name).read_text("utf-8") for name in ("out", "err"))
    return Ended(code=running.exitcode, out=out, err=err)


def _run(directory: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in ((1, "out"), (2, "err")):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["harbor", *arguments]
    main()
