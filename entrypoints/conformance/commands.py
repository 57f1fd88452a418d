"""Commands of the partner's, which the kit runs in a shell."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Final

_STOP_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 0.05
_NO_SIGNAL: Final = 0
"""Only asks whether there is anybody."""
_STANDARD_ERROR: Final = 2


class CommandFailed(Exception):
    """It did not end as it should. The message goes behind "the command"; `code` is its exit code,
    None where it did not end."""

    def __init__(self, message: str, code: int | None) -> None:
        super().__init__(message)
        self.code = code


async def run_command(command: str, environment: Mapping[str, str]) -> int:
    """Its exit code, negative for the signal that ended it. What it prints goes to standard error,
    so that our standard output is ours. Cancelled, it ends the command with all that it started."""
    process = await asyncio.create_subprocess_shell(
        command,
        env=os.environ | dict(environment),
        stdin=DEVNULL,
        stdout=_STANDARD_ERROR,
        start_new_session=True,
    )
    try:
        return await process.wait()
    finally:
        await _end(process)


async def lines_of(command: str, seconds: float) -> list[str]:
    """What it prints, without empty lines. What it leaves running is ended. Raises
    CommandFailed."""
    # A file has an end, which a pipe has not while somebody holds it who was left running.
    with TemporaryFile() as printed:
        process = await asyncio.create_subprocess_shell(
            command, stdin=DEVNULL, stdout=printed, start_new_session=True
        )
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError:
            raise CommandFailed(f"did not end within {seconds:g} seconds", None) from None
        finally:
            await _end(process)
        if code:
            raise CommandFailed(f"ended with exit code {code}", code)
        printed.seek(0)
        lines = printed.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


async def _end(process: Process) -> None:
    """It and all that it started, as far as they are there: first asked, then made to."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        for _ in range(round(_STOP_SECONDS / _LOOK_AGAIN_SECONDS)):
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            os.killpg(process.pid, _NO_SIGNAL)
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
