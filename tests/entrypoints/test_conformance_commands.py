"""What the kit runs for a partner, and how it ends."""

import asyncio
import time
from pathlib import Path

import pytest

from entrypoints.conformance.commands import CommandFailed, lines_of, run_command
from tests.journeys.examined import await_file, is_running

pytestmark = pytest.mark.anyio

CHILD = """\
trap 'sleep 0.5; touch farewell; exit' TERM
touch ready
while :; do sleep 0.1; done
"""


async def test_what_is_printed_is_read_line_by_line() -> None:
    assert await lines_of("printf 'a\\n\\n b \\nc'", 10) == ["a", "b", "c"]


async def test_what_a_command_leaves_running_is_not_waited_for_and_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    command = f"sleep 60 & echo $! >'{tmp_path}/child'; echo x"
    assert await lines_of(command, 10) == ["x"]
    assert time.monotonic() - began < 9
    assert not is_running(tmp_path / "child")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("echo x; exit 7", "ended with exit code 7"),
        ("sleep 60", "did not end within 0.2 seconds"),
    ],
)
async def test_a_command_that_does_not_end_well_has_failed(command: str, says: str) -> None:
    with pytest.raises(CommandFailed, match=says):
        await lines_of(command, 0.2)


async def test_what_a_command_has_started_is_given_time_to_end(tmp_path: Path) -> None:
    """Although the shell that started it has gone."""
    (tmp_path / "child.sh").write_text(CHILD)
    running = asyncio.create_task(run_command(f"cd '{tmp_path}'; sh child.sh & wait", {}))
    await asyncio.to_thread(await_file, tmp_path / "ready")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (tmp_path / "farewell").exists()


async def test_who_does_not_end_when_asked_is_made_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.conformance.commands._STOP_SECONDS", 0.5)
    command = f"trap '' TERM; echo $$ >'{tmp_path}/shell'; while :; do sleep 0.1; done"
    with pytest.raises(CommandFailed):
        await lines_of(command, 1)
    assert not is_running(tmp_path / "shell")
