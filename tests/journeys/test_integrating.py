"""The guide for integrators: what it shows is what runs, and what it says is so."""

import asyncio
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx2
import pytest

from adapters.simulated.payment_methods import PAYMENT_METHODS
from entrypoints.http.problems import KINDS
from tests.journeys import curl, leash
from tests.journeys.api import Api
from tests.journeys.guides import DOCS, assert_shows, codes, programs_shown, rows, steps
from tests.journeys.losing import Fate, losing
from tests.journeys.server import Shop

pytestmark = pytest.mark.anyio

GUIDE: Final = DOCS / "integrating.md"
PROGRAMS: Final = DOCS / "integrating"
BETWEEN: Final = "---- the next step ----"
SECONDS: Final = 120
SLOW_SECONDS: Final = 30.0


def test_the_guide_shows_the_programs_that_are_run() -> None:
    shown = programs_shown(GUIDE, "integrating")
    assert set(shown) == {f"integrating/{path.name}" for path in PROGRAMS.glob("*.py")}
    for path, text in shown.items():
        assert text == (DOCS / path).read_text(encoding="utf-8"), path


@pytest.fixture(params=["curl", "stand-in"])
def tools(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PATH with python and curl: the machine's own, or as much of it as the guide needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    _script(folder / "python", sys.executable)
    if request.param == "stand-in":
        _script(folder / "curl", f"{sys.executable} {curl.__file__}")
    elif shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def _script(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


async def test_the_guide_does_as_it_says(
    tools: str, embedded_shop: Shop, embedded_till: Api, tmp_path: Path
) -> None:
    """From top to bottom, in one shell, as a person would who types it all."""
    told = steps(GUIDE)
    script = f"\necho; echo '{BETWEEN}'\n".join(step.commands for step in told)
    for placeholder, own in (
        ("http://127.0.0.1:8000", embedded_shop.server.url),
        ("hk_test_…", embedded_till.api_key),
    ):
        assert placeholder in script
        script = script.replace(placeholder, own)
    out = await asyncio.to_thread(_typed, script, _folder(tmp_path), tools)
    outputs = out.split(f"\n{BETWEEN}\n")
    assert len(outputs) == len(told)
    for step, output in zip(told, outputs, strict=True):
        assert_shows(step, output)
    orders = await embedded_till.walk("/v1/orders")
    assert [order["invoice_id"] for order in orders] == ["INV-2026-0042", "INV-2026-0041"]


def _folder(tmp_path: Path) -> Path:
    """Where a person has put the guide's programs."""
    copy = tmp_path / "integrating"
    shutil.copytree(PROGRAMS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def _typed(script: str, folder: Path, tools: str) -> str:
    ended = subprocess.run(  # noqa: S603
        ["/bin/sh", "-eu", "-c", script],
        cwd=folder,
        env=_environment() | {"PATH": tools},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def _environment() -> dict[str, str]:
    """Without a proxy, which would be asked for 127.0.0.1."""
    return {name: os.environ[name] for name in os.environ if not name.lower().endswith("_proxy")}


class Placing:
    """`python place_order.py INVOICE 4200`, run by a company that keeps its table in `folder`."""

    def __init__(self, folder: Path, api_key: str) -> None:
        self.folder = folder
        self.api_key = api_key

    async def start(self, url: str, amount_cents: int = 4200) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "place_order.py", "INV-7", str(amount_cents)),
            cwd=self.folder,
            env=_environment() | {"HARBOR_URL": url, "HARBOR_API_KEY": self.api_key},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        leash.put_on(process.pid)
        return process

    async def run(self, url: str, amount_cents: int = 4200) -> tuple[int, str, str]:
        """How it ended, what it wrote, and what it complained of."""
        process = await self.start(url, amount_cents)
        out, err = await process.communicate()
        leash.take_off(process.pid)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
def placing(tmp_path: Path, embedded_till: Api) -> Placing:
    return Placing(_folder(tmp_path), embedded_till.api_key)


async def test_the_program_places_one_order_on_a_line_that_loses_answers(
    placing: Placing, embedded_shop: Shop, embedded_till: Api
) -> None:
    fates = (Fate.UNSENT, Fate.UNANSWERED, Fate.BUSY, Fate.UNANSWERED)
    async with losing(embedded_shop.server.url, *fates) as line:
        code, out, err = await placing.run(line.url)
    assert (code, err) == (0, "")
    (order,) = await embedded_till.walk("/v1/orders")
    assert out == f"INV-7 {order['id']}\n"
    assert len(line.requests) == len(fates) + 1
    assert len({(key, body) for _, key, body in line.requests}) == 1
    busy_at, next_at = (line.requests[place][0] for place in (2, 3))
    assert next_at - busy_at >= 1.0


async def test_the_program_that_died_goes_on_with_the_key_it_wrote_down(
    placing: Placing, embedded_shop: Shop, embedded_till: Api
) -> None:
    async with losing(embedded_shop.server.url, Fate.HELD) as line:
        process = await placing.start(line.url)
        async with asyncio.timeout(SECONDS):
            await line.arrived.wait()
        process.kill()
        await process.communicate()
        leash.take_off(process.pid)
        code, out, err = await placing.run(line.url)
    assert (code, err) == (0, "")
    (order,) = await embedded_till.walk("/v1/orders")
    assert out == f"INV-7 {order['id']}\n"


async def test_the_program_does_not_repeat_what_is_refused(
    placing: Placing, embedded_shop: Shop, embedded_till: Api
) -> None:
    async with losing(embedded_shop.server.url) as line:
        code, out, err = await placing.run(line.url, amount_cents=0)
    assert (code, out, len(line.requests)) == (1, "", 1)
    assert "Refused" in err
    assert "validation_failed" in err
    assert await embedded_till.walk("/v1/orders") == []


async def test_the_program_lists_every_order_of_every_page(
    embedded_shop: Shop, embedded_till: Api
) -> None:
    placed = [(await embedded_till.placed())["id"] for _ in range(5)]
    await embedded_till.placed(customer_id="another")
    program = runpy.run_path(str(PROGRAMS / "list_orders.py"))

    def listed() -> list[str]:
        with httpx2.Client(
            base_url=embedded_shop.server.url, headers=embedded_till.bearer, trust_env=False
        ) as client:
            return [
                order["id"] for order in program["orders"](client, customer_id="cus_42", limit=2)
            ]

    assert await asyncio.to_thread(listed) == placed[::-1]


def test_every_code_stands_in_the_guide_with_its_status() -> None:
    named = [
        (code, int(status))
        for status, cell, *_ in rows(GUIDE, "Errors by code")
        for code in codes(cell)
    ]
    assert sorted(named) == sorted((code, kind.status) for code, kind in KINDS.items())


def test_the_guide_says_what_to_do_on_each_status() -> None:
    decided = " ".join(row[0] for row in rows(GUIDE, "What to do on each answer"))
    assert [
        status for status in {kind.status for kind in KINDS.values()} if str(status) not in decided
    ] == []
    assert {code for code in codes(decided) if ":" not in code} <= set(KINDS)


async def test_each_token_of_the_sandbox_ends_as_the_guide_says(embedded_till: Api) -> None:
    promised = {}
    for first, second, _ in rows(GUIDE, "Tokens of the sandbox"):
        named = codes(first)
        promised.update(dict.fromkeys([None, *named] if "none" in first else named, codes(second)))
    assert set(promised) == {None, *PAYMENT_METHODS}

    async def end(token: str | None) -> list[str]:
        order = await embedded_till.placed(payment_method=token)
        ended = await embedded_till.until(order["id"], "paid", "failed", seconds=SLOW_SECONDS)
        return [ended["status"], *([ended["failure"]["code"]] if ended["failure"] else [])]

    ends = await asyncio.gather(*map(end, promised))
    assert dict(zip(promised, ends, strict=True)) == promised
