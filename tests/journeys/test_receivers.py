"""The guide for receivers: what it shows is what runs, and what runs does as the guide says."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from application.deliver_webhooks import MOST_TOGETHER
from domain.webhook import PAUSES
from tests.journeys.api import Api
from tests.journeys.examined import examine
from tests.journeys.guides import DOCS, programs_shown
from tests.journeys.programs import running_program
from tests.journeys.server import START_SECONDS, Lines
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

GUIDE: Final = DOCS / "webhooks.md"
PAID: Final = ["order.created", "order.processing", "order.paid"]
OLDEST_NODE: Final = 20
BUILD_SECONDS: Final = 300
NO_AGE: Final = timedelta(0)
# What npm and go say when an index is not there for them; anything else they say is our fault.
UNREACHABLE: Final = re.compile(
    r"\b(?:E(?:NOTFOUND|AI_AGAIN|CONN(?:REFUSED|RESET)|TIMEDOUT|(?:NET|HOST)UNREACH)"
    r"|ERR_SOCKET_TIMEOUT|E40[137]|E50[234]|dial tcp|no such host|i/o timeout|TLS handshake timeout"
    r"|connection (?:refused|reset)|proxyconnect|disabled by GOPROXY=off"
    r"|40[137] (?:Unauthorized|Forbidden|Proxy)|50[234] (?:Bad|Service|Gateway))\b"
)

Command = list[str]


def test_the_guide_shows_the_receivers_that_are_run() -> None:
    shown = programs_shown(GUIDE, "receivers")
    assert set(shown) == {
        "receivers/python/receiver.py",
        "receivers/typescript/receiver.ts",
        "receivers/go/main.go",
    }
    for path, text in shown.items():
        assert text == (DOCS / path).read_text(encoding="utf-8"), path


def test_the_guide_names_the_pauses() -> None:
    named = ", ".join(map(_in_words, PAUSES))
    assert f"after {named}, each give or take 20 %" in GUIDE.read_text(encoding="utf-8")


def _in_words(pause: timedelta) -> str:
    seconds = int(pause.total_seconds())
    unit, name = next(each for each in ((3600, "h"), (60, "m"), (1, "s")) if seconds >= each[0])
    return f"{seconds // unit} {name}"


def _python(_: Path) -> Command:
    return [sys.executable, str(DOCS / "receivers/python/receiver.py")]


def _typescript(folder: Path) -> Command:
    node, npm = _tool("node"), _tool("npm")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is older than {OLDEST_NODE}")
    _build(
        [
            npm,
            "install",
            "--include=dev",
            "--ignore-scripts",
            "--fetch-retries=1",
            "--no-audit",
            "--no-fund",
        ],
        folder,
    )
    _build([npm, "run", "build"], folder)
    return [node, str(folder / "build/receiver.js")]


def _go(folder: Path) -> Command:
    go = _tool("go")
    before = (
        (folder / "go.mod").read_text(encoding="utf-8"),
        (folder / "go.sum").read_text(encoding="utf-8"),
    )
    _build([go, "mod", "tidy"], folder)
    assert before == (
        (folder / "go.mod").read_text(encoding="utf-8"),
        (folder / "go.sum").read_text(encoding="utf-8"),
    )
    _build([go, "build", "-o", "built", "."], folder)
    return [str(folder / "built")]


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def _build(command: Command, folder: Path) -> None:
    """Skips where packages cannot be fetched. Names no index, which may hold a password."""
    tool = Path(command[0]).name
    try:
        ended = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            env=os.environ | {"GOTOOLCHAIN": "local"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"{tool}: its package index did not answer in {BUILD_SECONDS} seconds")
    if ended.returncode and (sign := UNREACHABLE.search(ended.stdout)):
        pytest.skip(f"{tool}: its package index cannot be reached ({sign[0]})")
    said = re.sub(r"https?://\S+", "…", ended.stdout)
    assert ended.returncode == 0, f"{tool} failed: {said[-2000:]}"


LANGUAGES: Final[Mapping[str, Callable[[Path], Command]]] = {
    "python": _python,
    "typescript": _typescript,
    "go": _go,
}


@pytest.fixture(scope="module", params=LANGUAGES)
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """What starts the receiver of a language, built in a directory of its own."""
    folder = tmp_path_factory.mktemp("receiver") / "built"
    left = shutil.ignore_patterns("node_modules", "build", "package-lock.json", "__pycache__")
    shutil.copytree(DOCS / "receivers" / request.param, folder, ignore=left)
    return LANGUAGES[request.param](folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A receiver's process, registered at Harbor."""

    api: Api
    url: str
    secret: str
    lines: Lines

    @property
    def accepted(self) -> list[tuple[str, str]]:
        """Type and id of each event, in the order in which they were accepted."""
        said = [line.split() for line in self.lines.all() if line.startswith("accepted ")]
        return [(words[1], words[2]) for words in said]

    async def until(self, event_type: str) -> None:
        wanted = f"accepted {event_type} "
        await asyncio.to_thread(
            self.lines.first, lambda line: line.startswith(wanted) or None, START_SECONDS
        )

    async def send(
        self, body: str, *, sent: str | None = None, age: timedelta = NO_AGE, **headers: str
    ) -> httpx2.Response:
        """An event as Harbor would have signed it `age` ago; `sent` goes in place of the body."""
        at = datetime.now(tz=UTC) - age
        event_id = json.loads(body)["id"]
        signed = {
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(event_id, at, body),
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = (body if sent is None else sent).encode()
        return await self.api.client.post(self.url, content=content, headers=signed | named)


@pytest.fixture
async def running(command: Command, embedded_till: Api) -> AsyncIterator[Running]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/harbor"
    answer = await embedded_till.post("/v1/webhook-endpoints", {"url": url})
    assert answer.status_code == 201, answer.text
    secret = answer.json()["secret"]
    with running_program(command, {"WEBHOOK_SECRET": secret, "PORT": str(port)}) as lines:
        # All three say where they listen, when they do.
        at = f"127.0.0.1:{port}"
        await asyncio.to_thread(lines.first, lambda line: at in line or None, START_SECONDS)
        yield Running(api=embedded_till, url=url, secret=secret, lines=lines)


async def test_a_receiver_accepts_what_happens_once_and_in_order(running: Running) -> None:
    await running.api.paid()
    await running.until("order.paid")
    events = await running.api.walk("/v1/events")
    happened = [(event["type"], event["id"]) for event in events]
    assert running.accepted == happened
    assert [each for each, _ in happened] == PAID


async def test_a_receiver_drops_what_it_has_seen(running: Running) -> None:
    for event_id, event_type in (("a", "order.paid"), ("a", "order.paid"), ("b", "order.failed")):
        body = f'{{"id": "{event_id}", "type": "{event_type}"}}'
        assert (await running.send(body)).status_code == 204
    await running.until("order.failed")
    assert running.accepted == [("order.paid", "a"), ("order.failed", "b")]


async def test_a_receiver_refuses_what_is_forged_or_old(running: Running) -> None:
    body = '{"id": "a", "type": "order.paid"}'
    refused = (
        await running.send(body, sent=body.replace("a", "b")),
        await running.send(body, webhook_id="another"),
        await running.send(body, age=timedelta(minutes=6)),
        await running.send(body, age=timedelta(minutes=-6)),
        await running.send(body, webhook_timestamp="yesterday"),
        await running.send(body, webhook_signature="v1,"),
        await running.send(body, webhook_signature="no signature"),
        await running.send(body, webhook_signature=""),
    )
    assert [answer.status_code for answer in refused] == [400] * len(refused)
    # Nothing of it was taken, and what is right is still.
    assert (await running.send(body)).status_code == 204
    await running.until("order.paid")
    assert running.accepted == [("order.paid", "a")]


async def test_a_receiver_passes_the_conformance_kit(running: Running, tmp_path: Path) -> None:
    arguments = ("receiver", running.url, "--secret", running.secret)
    examined = await asyncio.to_thread(examine, tmp_path, *arguments)
    assert examined.those("failed") == set()
    # What is good was accepted once, although some of it came more often.
    ids = [event_id for _, event_id in running.accepted]
    assert len(ids) == len(set(ids)) > MOST_TOGETHER


async def test_a_receiver_takes_no_body_without_end(running: Running) -> None:
    body = f'{{"id": "a", "type": "order.paid", "data": "{"a" * 2**20}"}}'
    with suppress(httpx2.TransportError):  # it may hang up before it has read everything
        assert (await running.send(body)).status_code in {400, 413}
    assert (await running.send('{"id": "b", "type": "order.paid"}')).status_code == 204
    await running.until("order.paid")
    assert running.accepted == [("order.paid", "b")]
