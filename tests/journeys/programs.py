"""Programs of others, which run beside a test."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.journeys import leash
from tests.journeys.server import Lines


@contextmanager
def running_program(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[Lines]:
    """All that it writes. At the end it is killed, with those that it has started."""
    process = subprocess.Popen(  # noqa: S603
        command,
        env=os.environ | dict(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        start_new_session=True,
    )
    leash.put_on(process.pid)
    assert process.stdout is not None
    lines = Lines(process.stdout)
    try:
        yield lines
    finally:
        # Before it is waited for: until then its number is no other's.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        leash.take_off(process.pid)
        lines.await_end()
