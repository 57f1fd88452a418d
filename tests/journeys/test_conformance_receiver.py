"""`harbor conformance receiver` passes a receiver that is right, and tells one that is not what is
wrong, and nothing else."""

import asyncio
import base64
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from domain.webhook_signature import sign
from tests.journeys.examined import Checks, Examined, await_file, each, examine, is_running
from tests.journeys.flawed_receiver import FLAWS, Receiver
from tests.journeys.server import Harbor, HarborProcess
from tests.serving import serving
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

GUIDE: Final = Path(__file__).parents[2] / "docs/conformance.md"
SECRET: Final = "whsec_" + base64.b64encode(os.urandom(32)).decode()
TIMEOUT_SECONDS: Final = 4.0
RUNS_AT_ONCE: Final = 3

EVERYDAY: Final = ("good", "duplicate", "duplicates_at_once", "late", "many_at_once")
ROTATING: Final = ("two_signatures", "two_signatures_yours_last", "other_versions")
UNUSUAL: Final = ("unknown_member", "exact_bytes", "large")
MAY_BE_PASSED_OVER: Final = ("reordered", "unknown_type", "no_order")
FORGED: Final = (
    *("tampered_body", "tampered_id", "unknown_secret", "no_id", "no_timestamp", "no_signature"),
    *("bad_timestamp", "bad_signature", "tampered_timestamp"),
)
OUT_OF_TIME: Final = ("old_timestamp", "future_timestamp")
LAST: Final = "forged_then_good"
ACCEPTED: Final = (*EVERYDAY, *ROTATING, *UNUSUAL, *MAY_BE_PASSED_OVER)
SCENARIOS: Final = {*ACCEPTED, *FORGED, *OUT_OF_TIME, LAST}

FAILS: Final[Mapping[str, Checks]] = {
    "none": set(),
    "verifies nothing": each((*FORGED, *OUT_OF_TIME), "answer", "once") | {(LAST, "answer")},
    "ignores the timestamp": each(OUT_OF_TIME, "answer", "once"),
    "takes the event's time for the attempt's": {("late", "answer")},
    "tries the first signature": each(ROTATING[1:], "answer"),
    "takes the header for one signature": each(ROTATING, "answer"),
    "verifies what it has written again": {("exact_bytes", "answer")},
    "takes bodies of 64 kB": {("large", "answer")},
    "processes duplicates": each(EVERYDAY[:3], "once"),
    "refuses duplicates": {("duplicate", "answer")},
    "looks, then writes": {("duplicates_at_once", "once")},
    "remembers forgeries": {(LAST, "once")},
    "refuses unknown types": each(("unknown_type", "no_order"), "answer"),
    "refuses unknown members": {("unknown_member", "answer")},
    "needs an order": {("no_order", "answer")},
    "refuses what is older": {("reordered", "answer")},
    "loses everything": each((*EVERYDAY, *ROTATING, *UNUSUAL, LAST), "once"),
    "works before it answers, one at a time": {("many_at_once", "in_time")},
    "redirects": each((*ACCEPTED, LAST), "answer"),
}


@asynccontextmanager
async def receiving(flaw: str, directory: Path) -> AsyncIterator[tuple[str, Path]]:
    """Its URL, and the file with what it has processed."""
    processed = directory / "processed"
    async with serving(Receiver(FLAWS[flaw], SECRET, processed).app) as url:
        yield f"{url}/hook", processed


async def _examine(flaw: str, directory: Path) -> Examined:
    async with receiving(flaw, directory) as (url, processed):
        arguments = (
            *("--timeout", str(TIMEOUT_SECONDS)),
            *("--processed-command", f"cat '{processed}'"),
        )
        secret = {"HARBOR_CONFORMANCE_SECRET": SECRET}
        return await asyncio.to_thread(examine, directory, "receiver", url, *arguments, **secret)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Examined]]]:
    """Every receiver's, a few at a time: most of each run is waiting."""
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        yield {
            flaw: pool.submit(asyncio.run, _examine(flaw, tmp_path_factory.mktemp("run")))
            for flaw in FLAWS
        }


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_is_wrong_fails_and_nothing_else(
    runs: Mapping[str, Future[Examined]], flaw: str
) -> None:
    examined = runs[flaw].result()
    examined.assert_consistent("receiver")
    assert examined.those("failed") == FAILS[flaw]
    looked_at = {scenario for scenario, _ in examined.those("passed") | examined.those("failed")}
    assert looked_at == SCENARIOS | {"all_deliveries"}


def test_the_guide_names_every_scenario() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    of_receivers = guide[guide.index("## Your receiver") :]
    assert set(re.findall(r"`(\w+)`", of_receivers)) >= SCENARIOS


def test_the_guides_command_makes_a_secret() -> None:
    (command,) = re.findall(r"^echo whsec_.*$", GUIDE.read_text(encoding="utf-8"), re.M)
    made = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)  # noqa: S602 - the guide's
    sign(made.stdout.removesuffix("\n"), "", 0, b"")


def test_what_could_not_be_seen_is_skipped(runs: Mapping[str, Future[Examined]]) -> None:
    assert runs["none"].result().those("skipped") == set()
    slow = runs["works before it answers, one at a time"].result()
    assert slow.those("skipped") == {("many_at_once", "answer")}
    redirecting = runs["redirects"].result()
    assert redirecting.those("skipped") == each((*ACCEPTED, LAST), "once")


def test_a_receiver_that_redirects_is_told_that_nobody_follows(
    runs: Mapping[str, Future[Examined]],
) -> None:
    cases = runs["redirects"].result().ended.document["cases"]
    assert {each["advice"] for each in cases if each["result"] == "failed"} == {
        "Redirects are not followed: name the URL to which they lead."
    }


async def test_effects_are_skipped_where_nobody_tells_of_them(tmp_path: Path) -> None:
    async with receiving("processes duplicates", tmp_path) as (url, _):
        examined = await asyncio.to_thread(examine, tmp_path, "receiver", url, "--secret", SECRET)
    examined.assert_consistent("receiver")
    assert examined.ended.document["passed"]
    assert examined.those("skipped") == {("all_deliveries", "once")}


async def test_the_report_is_for_people_too(tmp_path: Path) -> None:
    async with receiving("takes bodies of 64 kB", tmp_path) as (url, _):
        ended = await asyncio.to_thread(
            Harbor(tmp_path).run, "conformance", "receiver", url, "--secret", SECRET
        )
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[0].split() == ["scenario", "answer", "in_time", "once", "sent"]
    assert ["large", "FAIL", "ok", "-", "-"] in [line.split() for line in lines]
    assert "FAIL  answer: An event may have over 64 kB: take bodies of 128 kB at least." in lines
    assert "      large: The answer was 413, where it should be 2xx." in lines
    assert "skip  all_deliveries (once): It cannot be seen from outside" in ended.out
    assert ended.err == ""
    assert SECRET not in ended.out


async def test_a_receiver_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/hook"
    arguments = ("conformance", "receiver", url, "--secret", SECRET)
    ended = await asyncio.to_thread(Harbor(tmp_path).run, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "it takes no connection" in ended.err
    assert len(ended.err.splitlines()) == 1


async def test_a_command_that_cannot_be_run_is_a_mistake_before_anything_is_sent(
    tmp_path: Path,
) -> None:
    async with receiving("none", tmp_path) as (url, processed):
        arguments = ("receiver", url, "--secret", SECRET, "--processed-command", "no-such-program")
        ended = await asyncio.to_thread(Harbor(tmp_path).run, "conformance", *arguments)
        assert processed.read_text() == ""
    assert (ended.code, ended.out) == (2, "")
    assert "--processed-command ended with exit code 127" in ended.err


async def test_a_command_may_fail_while_nothing_has_come(tmp_path: Path) -> None:
    command = "test -s processed && cat processed"
    async with receiving("none", tmp_path) as (url, _):
        arguments = ("receiver", url, "--secret", SECRET, "--processed-command", command)
        examined = await asyncio.to_thread(examine, tmp_path, *arguments)
    assert examined.those("failed") == set()


async def test_a_command_that_fails_later_fails_its_check_alone(tmp_path: Path) -> None:
    command = "test ! -s processed || exit 7"
    async with receiving("none", tmp_path) as (url, _):
        arguments = ("receiver", url, "--secret", SECRET, "--processed-command", command)
        examined = await asyncio.to_thread(examine, tmp_path, *arguments)
    examined.assert_consistent("receiver")
    assert examined.those("failed") == {("all_deliveries", "once")}
    (case,) = [each for each in examined.ended.document["cases"] if each["check"] == "once"]
    assert case["detail"] == "The command of --processed-command ended with exit code 7."


@pytest.mark.parametrize(("sleeps", "check"), [(False, "answer"), (True, "in_time")])
async def test_a_receiver_that_died_or_sleeps_is_left_alone_and_has_refused_nothing(
    tmp_path: Path, sleeps: bool, check: str
) -> None:
    """It answers what is good, until something is forged."""
    alive = True

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal alive
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        body = await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        alive = alive and b"9999" not in body
        if alive:
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        elif sleeps:
            await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = "http://{}:{}/".format(*server.sockets[0].getsockname())
        arguments = ("receiver", url, "--secret", SECRET, "--timeout", "1")
        examined = await asyncio.to_thread(examine, tmp_path, *arguments)
    examined.assert_consistent("receiver")
    assert examined.those("failed") == each(FORGED[:3], check) | {("all_deliveries", "sent")}


@asynccontextmanager
async def answering_the_first(directory: Path, *arguments: str) -> AsyncIterator[HarborProcess]:
    """What examines a receiver that answers the first delivery, and then no other."""
    reached = asyncio.Event()

    async def answer_the_first(request: Request) -> Response:
        await request.body()
        if reached.is_set():
            await asyncio.sleep(30)
        reached.set()
        return Response(status_code=204)

    app = Starlette(routes=[Route("/hook", answer_the_first, methods=["POST"])])
    async with serving(app) as url:
        command = ("conformance", "receiver", f"{url}/hook", "--secret", SECRET, *arguments)
        process = HarborProcess(Harbor(directory), command, {})
        try:
            await asyncio.wait_for(reached.wait(), 20)
            yield process
        finally:
            process.kill()


async def test_ctrl_c_prints_the_report_so_far(tmp_path: Path) -> None:
    async with answering_the_first(tmp_path) as process:
        process.process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(process.process.wait, 20)
    process.out.await_end()
    # What was not examined has not passed.
    assert code == 1
    assert "all_deliveries: The run was stopped before everything was sent." in process.out.text()
    assert process.err.text() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_who_does_not_wait_for_the_command_either_has_the_report_all_the_same(
    tmp_path: Path, number: int
) -> None:
    slow = "test -e asked_before || exec touch asked_before; echo $$ >asked; exec sleep 300"
    async with answering_the_first(tmp_path, "--processed-command", slow) as process:
        process.process.send_signal(number)
        await asyncio.to_thread(await_file, tmp_path / "asked")
        process.process.send_signal(number)
        code = await asyncio.to_thread(process.process.wait, 20)
    process.out.await_end()
    assert code == 1
    assert "The run was stopped before everything was sent." in process.out.text()
    assert "The run was stopped before it was known what was processed." in process.out.text()
    assert not is_running(tmp_path / "asked")
