"""`make clients`: what is skipped, what fails and how that is told, and what its locks may say.

The builds themselves take toolchains and minutes, and are not part of the suite."""

import json
import os
import re
import xml.etree.ElementTree as ET
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import httpx2
import pytest

from openapi.clients import __main__ as command_line
from openapi.clients import workshop
from openapi.clients.matrix import Result, Verdict, exit_status, matrix
from openapi.clients.relay import relaying
from openapi.clients.row import CLIENTS, DOCUMENT, Do, Row
from openapi.clients.runner import JOURNEY, ROWS, check_journey, run_rows
from openapi.clients.tools import Tool, missing, version_in
from openapi.clients.workshop import StepFailed, Workshop

LINT: Final = DOCUMENT.parent / "lint"
NPM_LOCKS: Final = [
    CLIENTS / "typescript/package-lock.json",
    LINT / "spectral/package-lock.json",
    LINT / "redocly/package-lock.json",
]
LOCKS: Final = [*NPM_LOCKS, CLIENTS / "python/requirements.txt", CLIENTS / "go/go.sum"]
GUIDE: Final = DOCUMENT.parents[1] / "docs/clients.md"
SHOWN: Final = re.compile(
    r"\]\(\.\./(openapi/clients/[^)]+)\)(?:(?!^#).)*?^```\w+\n(.*?)^```$", re.M | re.S
)
POM: Final = CLIENTS / "java/pom.xml"


def _shell(script: str) -> Do:
    return lambda shop: shop.run("sh", "-c", script)


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "shop", tmp_path / "log")


def test_the_matrix_has_a_line_each() -> None:
    results = [
        Result(name="typescript", verdict=Verdict.OK),
        Result(name="go", verdict=Verdict.SKIPPED, why="no go"),
        Result(name="java", verdict=Verdict.FAILED, why="to compile (the log is java.log)"),
    ]
    assert matrix(results).splitlines() == [
        "typescript: ok",
        "go: skipped (no go)",
        "java: failed to compile (the log is java.log)",
    ]
    assert exit_status(results) == 1
    assert exit_status(results[:2]) == 0


def test_what_lacks_a_tool_is_skipped_by_name(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    lacking = Row(
        name="cobol",
        needs=(Tool(name="sh"), Tool(name="no-such-compiler")),
        steps={"compile": _shell(f"touch {ran}")},
        journey=("sh", "-c", f"touch {ran}"),
    )
    there = Row(name="shell", needs=(Tool(name="sh"),), steps={"compile": _shell("true")})
    results = run_rows([lacking, there], tmp_path / "home")
    assert matrix(results).splitlines() == [
        "cobol: skipped (no no-such-compiler)",
        "shell: ok",
    ]
    assert not ran.exists()
    assert exit_status(results) == 0


@pytest.mark.parametrize(
    ("said", "lack"),
    [
        ("go version go1.26.8 linux/amd64", None),
        ("go version go1.25 linux/amd64", None),
        ("go version go1.9.7 linux/amd64", "compiler 1.9.7 is older than 1.25"),
        ("\033[1mcompiler 3.8.7\033[m", None),
        ('openjdk version "0.17.1" 2025-04-15', "compiler 0.17.1 is older than 1.25"),
        # It is there: its row shall say what is wrong with it.
        ("JAVA_HOME is not set", None),
        ("", None),
    ],
)
def test_what_has_too_old_a_tool_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, lack: str | None
) -> None:
    _program(tmp_path / "bin", "compiler", f"cat <<'END'\n{said}\nEND")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert missing([Tool(name="compiler", oldest=(1, 25))]) == lack


def test_a_tool_is_asked_in_its_own_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _program(tmp_path / "bin", "compiler", 'test "$1" = version && echo 1.2 >&2')
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    tool = Tool(name="compiler", version_option="version", oldest=(2,))
    assert missing([tool]) == "compiler 1.2 is older than 2"


def test_a_version_without_a_dot_is_one() -> None:
    assert version_in("javac 17") == (17,)


def test_a_java_that_first_says_its_options_is_as_new_as_it_is() -> None:
    assert version_in('Picked up JAVA_TOOL_OPTIONS: -Xmx2g\nopenjdk version "21.0.2"') == (21, 0, 2)


def test_a_failure_says_the_step_and_the_last_lines_and_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = tmp_path / "ran"
    failing = Row(
        name="failing",
        needs=(),
        steps={
            "generate": _shell("echo generated"),
            "compile": _shell("seq 1 100; echo no such type >&2; exit 3"),
            "after": _shell(f"touch {ran}"),
        },
    )
    sound = Row(name="sound", needs=(), steps={"compile": _shell("true")})
    failed, ok = run_rows([failing, sound], tmp_path / "home")
    log = tmp_path / "home/logs/failing.log"
    assert failed.line == f"failing: failed to compile (the log is {log})"
    assert ok.verdict is Verdict.OK
    assert not ran.exists()
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["== failing: generate", "== failing: compile"]
    assert said[2:17] == [*map(str, range(87, 101)), "no such type"]
    assert said[17:] == ["== sound: compile"]
    logged = log.read_text(encoding="utf-8").splitlines()
    assert logged[1] == "generated"
    assert logged[3:] == [*map(str, range(1, 101)), "no such type"]


def test_the_relay_loses_the_first_answer_to_a_key_and_then_answers_as_a_proxy() -> None:
    came: list[str] = []

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(self.headers["Idempotency-Key"])
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(409)
            self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Shop) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with relaying(f"http://127.0.0.1:{server.server_port}") as relay:
            for key in ("a", "b"):
                with pytest.raises(httpx2.TransportError):
                    httpx2.post(relay.url, content=b"order", headers={"Idempotency-Key": key})
            again = httpx2.post(relay.url, content=b"order", headers={"Idempotency-Key": "a"})
            orders = f"{relay.url}/v1/orders"
            proxied = httpx2.post(orders, content=b"order", headers={"Idempotency-Key": "a"})
            thirdly = httpx2.post(orders, content=b"order", headers={"Idempotency-Key": "a"})
        server.shutdown()
    assert (proxied.status_code, proxied.headers["Content-Type"]) == (503, "text/html")
    assert (thirdly.status_code, thirdly.content) == (409, b"order")
    assert (again.status_code, again.content) == (409, b"order")
    assert again.headers["Retry-After"] == "1"
    assert came == ["a", "b", "a", "a", "a"]
    assert relay.lost == {"a", "b"}


def test_a_failure_names_no_password(shop: Workshop) -> None:
    with pytest.raises(StepFailed) as failure:
        shop.run("sh", "-c", "echo cannot reach https://me:secret@index.example/simple; exit 1")
    assert str(failure.value) == "cannot reach https://…@index.example/simple"


def test_a_command_that_says_nothing_or_is_not_there_fails(shop: Workshop) -> None:
    with pytest.raises(StepFailed, match="false ended with 1 and said nothing"):
        shop.run("false")
    with pytest.raises(StepFailed, match="no-such-compiler"):
        shop.run("no-such-compiler")


def test_a_command_that_does_not_end_is_ended_with_all_it_started(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workshop, "COMMAND_SECONDS", 0.5)
    held = shop.home / "held"
    os.mkfifo(held)
    with os.fdopen(os.open(held, os.O_RDONLY | os.O_NONBLOCK)) as reader:
        os.set_blocking(reader.fileno(), True)
        with pytest.raises(StepFailed, match=r"sh took longer than 0\.5 seconds"):
            shop.run("sh", "-c", "(echo started; exec sleep 600) >held & wait")
        # To the end, which comes when nobody holds it any more.
        assert reader.read() in {"started\n", ""}


def test_a_workshop_keeps_only_what_it_is_told_to(shop: Workshop, tmp_path: Path) -> None:
    sources = tmp_path / "sources"
    (sources / "src").mkdir(parents=True)
    (sources / "src/Journey.java").write_text("new", encoding="utf-8")
    for folder in ("src", "repository"):
        (shop.home / folder).mkdir()
        (shop.home / folder / "Old.java").write_text("old", encoding="utf-8")
    (shop.home / "generated.go").write_text("old", encoding="utf-8")
    shop.lay_out(sources, keep=("repository",))
    files = {path.relative_to(shop.home) for path in shop.home.rglob("*") if path.is_file()}
    assert files == {Path("src/Journey.java"), Path("repository/Old.java")}


def test_what_is_installed_is_installed_again_when_its_lock_has_changed(shop: Workshop) -> None:
    lock = shop.home / "lock"
    times = []

    def install() -> None:
        times.append(lock.read_text(encoding="utf-8"))

    def fail() -> None:
        raise StepFailed

    for version in ("1", "1", "2"):
        lock.write_text(version, encoding="utf-8")
        shop.installed(("lock",), install)
    assert times == ["1", "2"]
    lock.write_text("3", encoding="utf-8")
    with pytest.raises(StepFailed):
        shop.installed(("lock",), fail)
    shop.installed(("lock",), install)
    assert times == ["1", "2", "3"]


def test_a_journey_that_left_something_out_has_failed() -> None:
    said = [f"step: {step}" for step in JOURNEY]
    check_journey("\n".join(["a warning", *said]))
    for wrong in (said[:-1], said[1:], [], [*said, "step: one more"], said[::-1]):
        with pytest.raises(StepFailed, match="another way"):
            check_journey("\n".join(wrong))


def test_every_language_makes_the_journey() -> None:
    travelling = [name for name, row in ROWS.items() if row.journey]
    assert travelling == ["typescript", "python", "go", "java"]
    assert list(ROWS)[4:] == ["spectral", "redocly"]


def test_the_guide_shows_what_is_run() -> None:
    shown = dict(SHOWN.findall(GUIDE.read_text(encoding="utf-8")))
    assert set(shown) == {
        "openapi/clients/typescript/place.ts",
        "openapi/clients/python/place.py",
        "openapi/clients/python/templates/str_enum.py.jinja",
        "openapi/clients/go/place.go",
        "openapi/clients/java/src/main/java/journey/Placing.java",
    }
    for path, text in shown.items():
        assert text == (DOCUMENT.parents[1] / path).read_text(encoding="utf-8"), path


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--only", "go,cobol"])
    assert ended.value.code == 2
    assert "there is no 'cobol': choose from typescript, python, go" in capsys.readouterr().err


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(DOCUMENT.parent)))
def test_a_lock_names_no_index(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert not re.search(r"registry\.|pypi\.org|pythonhosted|index-url|find-links", text)


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parent.name)
def test_npm_packages_are_pinned_with_what_they_hold(lock: Path) -> None:
    named = json.loads(lock.with_name("package.json").read_text(encoding="utf-8"))
    for wanted in (named.get("dependencies", {}), named["devDependencies"]):
        assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    del packages[""]
    assert packages
    for name, package in packages.items():
        assert package.get("integrity") or package.get("inBundle"), name


def test_python_packages_are_pinned_with_what_they_hold() -> None:
    text = (CLIENTS / "python/requirements.txt").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", "", text).splitlines()
    required = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert len(required) > 10
    assert all("==" in line and "--hash=sha256:" in line for line in required)


def test_what_maven_uses_is_pinned() -> None:
    pom = ET.parse(POM).getroot()  # noqa: S314 - our own file
    used = [*pom.iter("dependency"), *pom.iter("plugin")]
    assert len(used) > 5
    for each in used:
        version = each.findtext("version")
        assert re.fullmatch(r"\d+(\.\d+)+|\$\{jackson\.version\}", version or ""), version
    assert not [*pom.iter("repository"), *pom.iter("pluginRepository")]


def test_every_rule_that_is_answered_has_a_reason() -> None:
    for name in ("spectral/spectral.yaml", "redocly/redocly.yaml"):
        _, _, rules = (LINT / name).read_text(encoding="utf-8").partition("\nrules:\n")
        lines = rules.splitlines()
        answered = [number for number, line in enumerate(lines) if not line.startswith("  #")]
        assert answered
        for number in answered:
            assert re.fullmatch(r"  [\w-]+: off", lines[number])
            assert number > 0
            assert lines[number - 1].startswith("  # "), lines[number]
