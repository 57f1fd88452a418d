"""`harbor conformance client` passes a client that is right, and tells one that is not what is
wrong, and nothing else."""

import asyncio
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from entrypoints.cli_conformance import conformance_client
from entrypoints.conformance.client_judge import CHECKS
from entrypoints.conformance.scenarios import SCENARIOS
from tests.journeys.api import Api, an_order, assert_problem, at_once
from tests.journeys.examined import Checks, Examined, await_file, each, examine, is_running
from tests.journeys.flawed_client import FLAWS
from tests.journeys.server import HARBOR, Harbor, HarborProcess

pytestmark = pytest.mark.anyio

GUIDE: Final = Path(__file__).parents[2] / "docs/conformance.md"
GUIDES: Final = GUIDE.with_name("clients") / "python/client.py"
FLAWED: Final = Path(__file__).with_name("flawed_client.py")
RUNS_AT_ONCE: Final = 4
QUICKLY: Final = ("--retry-after", "1", "--slow", "20")

ALL: Final = tuple(scenario.name for scenario in SCENARIOS)
TO_BE_RETRIED: Final = tuple(scenario.name for scenario in SCENARIOS if scenario.needs_retry)
CARRIED_OUT: Final = tuple(
    scenario.name for scenario in SCENARIOS if scenario.needs_retry and scenario.carried_out
)
NOT_CARRIED_OUT: Final = ("cut_connection", "outage", "rate_limited", "unavailable")
WITH_PAUSE: Final = ("in_progress", "rate_limited", "unavailable", "outcome_unknown")
PROXYS: Final = ("bad_gateway", "proxy_unavailable")
PLACED: Final = tuple(name for name in ALL if name != "refused")

FAILS: Final[Mapping[str, Checks]] = {
    "none": set(),
    "none_and_asks_after_the_key": set(),
    "new_key_for_each_request": each(TO_BE_RETRIED, "one_key") | each(CARRIED_OUT, "one_order"),
    "one_key_for_all": each(ALL, "own_key") | each(PLACED[1:], "one_order"),
    "no_key": each(ALL, "one_key") | each(PLACED, "one_order"),
    "body_changes": each(TO_BE_RETRIED, "same_body"),
    "never_comes_back": each(TO_BE_RETRIED, "retried") | each(NOT_CARRIED_OUT, "one_order"),
    "ignores_retry_after": each(WITH_PAUSE, "waited"),
    "hammers": {("outage", "calm")},
    "retries_refusals": each(["refused"], "stopped", "calm"),
    "takes_only_201": each((*CARRIED_OUT, "duplicated"), "stopped"),
    "chokes_on_html": each(PROXYS, "retried"),
    "chokes_on_html_where_a_problem_is_documented": each(PROXYS[1:], "retried"),
    "places_twice": each(ALL, "one_key", "stopped") | each(PLACED, "one_order"),
    "forgets_one": {("clean", "one_order")},
    "places_others": {("all_requests", "addressed")},
}
SKIPS: Final[Mapping[str, Checks]] = {
    "none_and_asks_after_the_key": {("outcome_unknown", "waited")},
    "one_key_for_all": each(TO_BE_RETRIED, "retried")
    | each(("in_progress", "outcome_unknown"), "waited"),
    "no_key": each(TO_BE_RETRIED, "retried") | each(WITH_PAUSE, "waited"),
    "body_changes": each(CARRIED_OUT, "retried"),
    "never_comes_back": each(TO_BE_RETRIED, "stopped") | each(WITH_PAUSE, "waited"),
    "chokes_on_html": each(PROXYS, "stopped"),
    "chokes_on_html_where_a_problem_is_documented": each(PROXYS[1:], "stopped"),
    "forgets_one": each(["clean"], "one_key", "own_key", "same_body", "stopped", "calm"),
}


def _command(*words: str | Path) -> str:
    return shlex.join([sys.executable, *map(str, words)])


def _examine(directory: Path, *command: str | Path) -> Examined:
    return examine(directory, "client", "--command", _command(*command), *QUICKLY, PATIENCE="4")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Examined]]]:
    """Every client's, a few at a time: most of each run is waiting."""
    with ThreadPoolExecutor(RUNS_AT_ONCE) as pool:
        yield {
            flaw: pool.submit(_examine, tmp_path_factory.mktemp("run"), FLAWED, flaw)
            for flaw in FLAWS
        }


@pytest.mark.parametrize("flaw", FLAWS)
def test_what_is_wrong_fails_and_nothing_else(
    runs: Mapping[str, Future[Examined]], flaw: str
) -> None:
    examined = runs[flaw].result()
    examined.assert_consistent("client")
    assert examined.those("failed") == FAILS[flaw]
    assert examined.those("skipped") == SKIPS.get(flaw, set())


def test_the_guide_names_every_scenario_and_check() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", GUIDE.read_text(encoding="utf-8"), re.M))
    assert {*ALL, *CHECKS, "addressed"} <= named


def test_the_slow_answer_is_later_than_the_guide_has_a_client_wait() -> None:
    guide = GUIDE.with_name("integrating.md").read_text(encoding="utf-8")
    (patience,) = re.findall(r"Give each attempt (\d+) seconds", guide)
    assert signature(conformance_client).parameters["slow"].default > float(patience)


def test_every_check_fails_somebody() -> None:
    failing = {check for checks in FAILS.values() for _, check in checks}
    assert failing == {*CHECKS, "addressed"}


def test_the_guides_client_passes(tmp_path: Path) -> None:
    examined = _examine(tmp_path, GUIDES)
    examined.assert_consistent("client")
    assert examined.those("failed") | examined.those("skipped") == set()
    assert examined.ended.document["notes"] == []
    # What the command prints, and what the partner is told, is apart from the report.
    assert "HARBOR_URL=http://127.0.0.1:" in examined.ended.err
    assert "CONF-15  422: " in examined.ended.err


def test_scenarios_can_be_chosen_repeated_and_shuffled(tmp_path: Path) -> None:
    examined = examine(
        *(tmp_path, "client", "--command", _command(GUIDES), *QUICKLY, "--prefix", "INV 2026"),
        *("--scenario", "lost_answer", "--scenario", "duplicated", "--orders", "6", "--seed", "7"),
    )
    assert examined.ended.document["passed"]
    cases = examined.ended.document["cases"]
    details = {case["scenario"]: case["detail"] for case in cases if case["check"] == "one_key"}
    assert set(details) == {"lost_answer", "duplicated"}
    assert (
        details["lost_answer"].count("INV 2026-") == details["duplicated"].count("INV 2026-") == 3
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """A run without a command."""

    process: HarborProcess
    api: Api
    invoices: list[str]

    async def place(
        self, invoice: str, key: str | None = None, cents: int = 5, **headers: str
    ) -> httpx2.Response:
        order = an_order(invoice_id=invoice, amount_cents=cents)
        return await self.api.post("/v1/orders", order, key, **headers)

    async def place_in_spite_of_all(self, invoice: str, key: str) -> httpx2.Response:
        try:
            return await self.place(invoice, key)
        except httpx2.TransportError:
            return await self.place(invoice, key)

    async def report(self) -> dict[str, Any]:
        """With the exit code in it."""
        code = await asyncio.to_thread(self.process.process.wait, 20)
        self.process.out.await_end()
        document: dict[str, Any] = json.loads(self.process.out.text())
        assert code == (0 if document["passed"] else 1)
        return document


@asynccontextmanager
async def running(directory: Path, *arguments: str) -> AsyncIterator[Kit]:
    process = HarborProcess(
        Harbor(directory), ("conformance", "client", "--json", *QUICKLY, *arguments), {}
    )
    try:
        names = ("HARBOR_URL", "HARBOR_API_KEY", "HARBOR_CONFORMANCE_INVOICES")
        url, api_key, invoices = [
            await asyncio.to_thread(process.err.first, _value_of(name), 20) for name in names
        ]
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
            yield Kit(process=process, api=Api(client, api_key), invoices=invoices.split(","))
    finally:
        process.kill()


def _value_of(name: str) -> Any:
    def find(line: str) -> str | None:
        given, _, value = line.strip().partition("=")
        return value if given == name else None

    return find


def _scenarios(*names: str) -> list[str]:
    return [word for name in names for word in ("--scenario", name)]


async def test_without_a_command_it_ends_when_all_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("clean", "refused")) as kit:
        answers = [await kit.place(invoice) for invoice in kit.invoices]
        assert [answer.status_code for answer in answers] == [201, 422]
        # It is the real application: what was placed can be fetched, and is paid.
        await kit.api.until(answers[0].json()["id"], "paid")
        assert (await kit.report())["counts"] == {"passed": 13, "failed": 0, "skipped": 0}


async def test_one_order_in_spite_of_fifty_requests_at_once(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("lost_answer", "duplicated")) as kit:
        for invoice in kit.invoices:
            answers = await at_once(
                *[kit.place_in_spite_of_all(invoice, f"key-{invoice}") for _ in range(50)]
            )
            assert {answer.status_code for answer in answers} <= {200, 201}
            assert len({answer.content for answer in answers}) == 1
        report = await kit.report()
        # Who sends so many does not mind that one of them is answered before the last has gone.
        restless = each(("lost_answer", "duplicated"), "stopped")
        assert _failed(report) - restless == each(("lost_answer", "duplicated"), "calm")


async def test_two_that_are_sent_together_are_not_impatient(tmp_path: Path) -> None:
    names = ("lost_answer", "in_progress", "rate_limited", "server_error")

    async def worker(kit: Kit, invoice: str) -> None:
        answer = await kit.place_in_spite_of_all(invoice, f"k-{invoice}")
        if not answer.is_success:
            await asyncio.sleep(1)  # as Retry-After says
            await kit.place(invoice, f"k-{invoice}")

    async with running(tmp_path, *_scenarios(*names)) as kit:
        for invoice in kit.invoices:
            await at_once(worker(kit, invoice), worker(kit, invoice))
        report = await kit.report()
        assert report["counts"]["failed"] == 0, _failed(report)


async def test_pipelined_requests_are_answered_in_turn(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("clean", "in_progress")) as kit:
        reader, writer = await asyncio.open_connection(
            kit.api.client.base_url.host, kit.api.client.base_url.port
        )
        requests = [_request(kit, *each_of) for each_of in zip(kit.invoices, "ab", strict=True)]
        writer.write(b"".join(requests))
        statuses: list[str] = []
        while len(statuses) < len(requests):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            statuses.append(head.split()[1])
            await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
        writer.close()
        await writer.wait_closed()
        assert statuses == ["201", "409"]
        await asyncio.sleep(1)  # as Retry-After says
        assert (await kit.place(kit.invoices[1], "b")).status_code == 200
        assert (await kit.report())["passed"]


def _request(kit: Kit, invoice: str, key: str) -> bytes:
    body = json.dumps(an_order(invoice_id=invoice, amount_cents=5)).encode()
    head = (
        "POST /v1/orders HTTP/1.1\r\nHost: harbor\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {kit.api.api_key}\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def test_strangers_get_the_real_answer_and_are_told_of(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("lost_answer")) as kit:
        (invoice,) = kit.invoices
        stranger = await Api(kit.api.client, "hk_test_none").post("/v1/orders", {})
        garbage = await kit.api.post("/v1/orders", b"{")
        large = await kit.api.post("/v1/orders", b" " * 70_000)
        other = await kit.place("INV-1")
        answers = (stranger, garbage, large, other)
        assert [answer.status_code for answer in answers] == [401, 400, 413, 201]
        await kit.place_in_spite_of_all(invoice, "k")
        report = await kit.report()
        assert _failed(report) == {("all_requests", "addressed")}
        told = report["cases"][-1]["detail"]
        assert "1 had not the header Authorization" in told
        assert "2 had no JSON body" in told
        assert "1 had no invoice_id of the task" in told


async def test_who_corrects_what_harbor_refuses_meets_the_fault_afterwards(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("clean", "lost_answer", "rate_limited")) as kit:
        clean, lost, limited = kit.invoices
        for invoice, status in ((clean, 422), (lost, 422), (limited, 429)):
            assert (await kit.place(invoice, f"k-{invoice}", cents=0)).status_code == status
        await asyncio.sleep(1)  # as Retry-After says
        assert (await kit.place(limited, f"k-{limited}", cents=0)).status_code == 422
        assert (await kit.place(clean, f"k-{clean}")).status_code == 201
        with pytest.raises(httpx2.TransportError):
            await kit.place(lost, f"k-{lost}")
        assert (await kit.place(lost, f"k-{lost}")).status_code == 200
        assert (await kit.place(limited, f"k-{limited}")).status_code == 201
        report = await kit.report()
        assert report["counts"]["passed"] == len(report["cases"])


async def test_its_own_answers_bear_a_request_id_as_harbors_do(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("refused")) as kit:
        (invoice,) = kit.invoices
        new = [await kit.place(invoice, "k") for _ in range(2)]
        named = await kit.place(invoice, "k", x_request_id="mine-1")
        for answer in (*new, named):
            assert_problem(answer, 422, "payment_method_unknown")
        assert len({answer.headers["X-Request-Id"] for answer in new}) == 2
        assert named.headers["X-Request-Id"] == "mine-1"
        await kit.report()  # lest it is killed with its database


async def test_of_orders_that_are_none_of_the_task_it_is_said_what_they_were(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, *_scenarios("clean")) as kit:
        await kit.api.post("/v1/orders", b"{")
        kit.process.process.send_signal(signal.SIGINT)
        (_, note) = (await kit.report())["notes"]
        assert note == (
            "No order of the task arrived. Of the requests to POST /v1/orders, 1 had no JSON body."
        )


async def test_a_client_that_waits_for_the_slow_answer_is_not_judged_by_it(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("slow_answer"), "--slow", "0.5") as kit:
        assert (await kit.place(kit.invoices[0])).status_code == 201
        report = await kit.report()
        (skipped,) = [case for case in report["cases"] if case["result"] == "skipped"]
        assert skipped["check"] == "retried"
        assert "the client waited for it" in skipped["detail"]


async def test_ctrl_c_prints_the_report_so_far(tmp_path: Path) -> None:
    async with running(tmp_path, *_scenarios("clean", "lost_answer")) as kit:
        await kit.place(kit.invoices[0])
        kit.process.process.send_signal(signal.SIGINT)
        report = await kit.report()
        assert _failed(report) == {("lost_answer", "one_order")}
        assert report["notes"] == ["The run was stopped before every order was answered for good."]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    command = "sleep 300 & echo $! >child; touch ready; wait"
    arguments = ("conformance", "client", "--scenario", "clean", "--command", command)
    process = HarborProcess(Harbor(tmp_path), arguments, {"TMPDIR": str(tmp_path)})
    try:
        await_file(tmp_path / "ready")
        process.process.send_signal(number)
        assert process.process.wait(20) == 1
    finally:
        process.kill()
    process.out.await_end()
    assert "Note: The run was stopped before" in process.out.text()
    assert not list(tmp_path.glob("harbor-conformance-*"))
    assert not is_running(tmp_path / "child")


def test_nohup_is_respected(tmp_path: Path) -> None:
    """As in a terminal that is closed, of a run that shall go on."""
    command = "touch ready; sleep 1"
    words = ("conformance", "client", "--scenario", "clean", "--command", command)
    process = subprocess.Popen(  # noqa: S603 - our own program
        ["nohup", HARBOR, *words],  # noqa: S607
        cwd=tmp_path,
        env=Harbor(tmp_path).environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    try:
        await_file(tmp_path / "ready")
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert "nothing arrived" in out
    assert "The run was stopped" not in out


def test_nobody_comes(tmp_path: Path) -> None:
    ended = Harbor(tmp_path).run(
        *("conformance", "client", "--scenario", "clean", "--timeout", "1", "--orders", "5")
    )
    assert ended.code == 1
    assert "FAIL  one_order: Place an order with this invoice_id." in ended.out
    assert "clean: CONF-1: nothing arrived. CONF-2: nothing arrived." in ended.out
    assert "And 2 more." in ended.out
    assert "Note: No order arrived at all" in ended.out
    assert ended.err == ""


def test_a_command_that_fails_is_told_of(tmp_path: Path) -> None:
    examined = examine(tmp_path, "client", "--scenario", "clean", "--command", "exit 3")
    assert "The command ended with exit code 3." in examined.ended.document["notes"]
    assert examined.ended.code == 1


def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    command = "sleep 300 & echo $! >child; sleep 300"
    arguments = ("--scenario", "clean", "--timeout", "2", "--command", command)
    examined = examine(tmp_path, "client", *arguments)
    assert "The 2 seconds of the run were over (--timeout)." in examined.ended.document["notes"]
    assert not is_running(tmp_path / "child")


def test_it_is_a_harbor_of_its_own_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    examined = examine(
        *(tmp_path, "client", "--scenario", "clean", "--command", _command(GUIDES)),
        TMPDIR=str(tmp_path),
        HARBOR_DATABASE_URL="postgresql+asyncpg://harbor:pw@127.0.0.1:1/harbor",
        HARBOR_GATEWAY="stripe",
    )
    assert examined.ended.document["passed"]
    assert not list(tmp_path.glob("harbor-conformance-*"))
    assert not (tmp_path / "data").exists()


def test_a_port_in_use_is_a_mistake(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = Harbor(tmp_path).run("conformance", "client", "--port", port)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith(f"harbor: cannot listen on 127.0.0.1:{port}")
    assert len(ended.err.splitlines()) == 1


def _failed(report: Mapping[str, Any]) -> Checks:
    cases = report["cases"]
    return {(each["scenario"], each["check"]) for each in cases if each["result"] == "failed"}
