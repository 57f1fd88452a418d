"""The command line, as a process: results, help, and mistakes that are one clear line."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from domain import api_key_text
from domain.merchant import ALL_SCOPES
from entrypoints.cli import app
from tests.journeys.server import HARBOR, SECRET, Ended, Harbor, ServerDidNotStart
from tests.support.server import free_port

COMMANDS = (
    *((), ("serve",), ("worker",), ("migrate",), ("openapi",), ("doctor",)),
    *(("merchant",), ("merchant", "create"), ("key",), ("key", "create"), ("key", "list")),
    *(("key", "revoke"), ("order",), ("order", "show"), ("operation",), ("operation", "settle")),
    *(("gateway",), ("reconcile",), ("conformance",), ("conformance", "client")),
    ("conformance", "receiver"),
)
SOME_ID = "01900000-0000-7000-8000-000000000001"
SETTLE = ("operation", "settle", SOME_ID)
RECEIVER = ("conformance", "receiver", "http://127.0.0.1:1/")
WHSEC = "whsec_" + "c2VjcmV0" * 4
PROCESSES_AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    arguments: tuple[str, ...]
    says: str
    settings: Mapping[str, str] = field(default_factory=dict)


def _mistakes() -> dict[str, Mistake]:
    on_nothing = {"HARBOR_DATABASE_URL": "postgresql+asyncpg://harbor:pw@127.0.0.1:1/harbor"}
    return {
        "an unknown command": Mistake(arguments=("srve",), says="srve"),
        "an unknown option": Mistake(arguments=("migrate", "--force"), says="--force"),
        "an argument too many": Mistake(arguments=("migrate", "now"), says="now"),
        "no name": Mistake(arguments=("merchant", "create"), says="name"),
        "an empty name": Mistake(arguments=("merchant", "create", " "), says="name"),
        "a long name": Mistake(arguments=("merchant", "create", "n" * 101), says="name"),
        "two lines of name": Mistake(arguments=("merchant", "create", "a\nb"), says="name"),
        "no merchant id": Mistake(arguments=("key", "list"), says="merchant_id"),
        "a merchant id that is none": Mistake(arguments=("key", "list", "42"), says="UUID"),
        "an unknown merchant": Mistake(arguments=("key", "create", SOME_ID), says="no merchant"),
        "an unknown scope": Mistake(
            arguments=("key", "create", SOME_ID, "--scope", "everything"), says="--scope"
        ),
        "an expiry that is none": Mistake(
            arguments=("key", "create", SOME_ID, "--expires-at", "soon"), says="--expires-at"
        ),
        "an expiry without offset": Mistake(
            arguments=("key", "create", SOME_ID, "--expires-at", "2030-01-01T00:00:00"),
            says="offset",
        ),
        "an unknown key": Mistake(arguments=("key", "revoke", SOME_ID, SOME_ID), says="no API key"),
        "no outcome": Mistake(arguments=SETTLE, says="--approved or --declined"),
        "two outcomes": Mistake(
            arguments=(*SETTLE, "--approved", "--declined"), says="--approved or --declined"
        ),
        "an operation id that is none": Mistake(
            arguments=("operation", "settle", "42", "--declined"), says="UUID"
        ),
        "an empty payment id": Mistake(
            arguments=(*SETTLE, "--approved", "--payment-id", ""), says="--payment-id"
        ),
        "a long payment id": Mistake(
            arguments=(*SETTLE, "--approved", "--payment-id", "p" * 256), says="--payment-id"
        ),
        "a payment id of two words": Mistake(
            arguments=(*SETTLE, "--approved", "--payment-id", "pi 1"), says="--payment-id"
        ),
        "an unknown scenario": Mistake(
            arguments=("conformance", "client", "--scenario", "flood"), says="lost_answer"
        ),
        "too few orders": Mistake(
            arguments=("conformance", "client", "--orders", "2"), says="--orders is at least 15"
        ),
        "a prefix that cannot be listed": Mistake(
            arguments=("conformance", "client", "--prefix", "a,b"), says="--prefix"
        ),
        "a report into nowhere": Mistake(
            arguments=("conformance", "client", "--junit", "nowhere/report.xml"), says="--junit"
        ),
        "a report that cannot be written": Mistake(
            arguments=("conformance", "client", "--junit", "n" * 300),
            says="--junit cannot be written",
        ),
        "no secret": Mistake(arguments=RECEIVER, says="--secret"),
        "a secret that is none": Mistake(
            arguments=(*RECEIVER, "--secret", "whsec_short"), says="--secret is not the text"
        ),
        "a receiver that Harbor would not send to": Mistake(
            arguments=("conformance", "receiver", "http://10.0.0.1/", "--secret", WHSEC),
            says="must begin with https://",
        ),
        "a receiver's URL without a scheme": Mistake(
            arguments=("conformance", "receiver", "localhost:8080/x", "--secret", WHSEC),
            says="http:// is for this machine alone: localhost,",
        ),
        "a port out of range": Mistake(arguments=("serve", "--port", "65536"), says="--port"),
        "a port that is none": Mistake(arguments=("serve", "--port", "http"), says="--port"),
        "no workers": Mistake(arguments=("serve", "--workers", "0"), says="--workers"),
        "two workers on SQLite": Mistake(
            arguments=("serve", "--workers", "2"), says="--workers above 1 needs PostgreSQL"
        ),
        "a host that is none": Mistake(
            arguments=("serve", "--port", "0", "--host", "999.1.1.1"), says="cannot listen on"
        ),
        "a wrong setting": Mistake(
            arguments=("migrate",), says="HARBOR_POOL_SIZE", settings={"HARBOR_POOL_SIZE": "0"}
        ),
        "a misspelt setting": Mistake(
            arguments=("serve",),
            says="did you mean HARBOR_DATABASE_URL?",
            settings={"HARBOR_DATABSE_URL": "x"},
        ),
        "a directory that is not there": Mistake(
            arguments=("migrate",),
            says="HARBOR_DATABASE_URL names a file in a directory that is not there",
            settings={
                "HARBOR_DATABASE_URL": "sqlite+aiosqlite:////nowhere/harbor.db",
                "HARBOR_SECRET_KEY": SECRET,
            },
        ),
        "a missing secret": Mistake(
            arguments=("serve",), says="HARBOR_SECRET_KEY is missing", settings=on_nothing
        ),
        "a weak secret": Mistake(
            arguments=("worker",),
            says="HARBOR_SECRET_KEY",
            settings={**on_nothing, "HARBOR_SECRET_KEY": "changeme"},
        ),
        "a gateway of a later version": Mistake(
            arguments=("doctor",), says="HARBOR_GATEWAY", settings={"HARBOR_GATEWAY": "stripe"}
        ),
        "a data directory that is a file": Mistake(
            arguments=("serve",),
            says="HARBOR_DATA_DIR cannot be used",
            settings={"HARBOR_DATA_DIR": "/dev/null"},
        ),
    }


MISTAKES = _mistakes()


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(PROCESSES_AT_ONCE) as executor:
        yield executor


@pytest.fixture(scope="module")
def mistaken(
    pool: ThreadPoolExecutor, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Future[Ended]]:
    """All of them at once, as far as there are processors."""
    directory = tmp_path_factory.mktemp("mistakes")
    return {
        name: pool.submit(Harbor(directory, mistake.settings).run, *mistake.arguments)
        for name, mistake in MISTAKES.items()
    }


def _is_one_line(ended: Ended, code: int) -> str:
    assert ended.code == code, ended.err
    assert ended.out == ""
    (line,) = ended.err.splitlines()
    assert line.startswith("harbor: ")
    assert "Traceback" not in line
    return line


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(mistaken: dict[str, Future[Ended]], name: str) -> None:
    assert MISTAKES[name].says in _is_one_line(mistaken[name].result(), 2)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "harbor")
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(app, [*command, "--help"], prog_name="harbor")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert " ".join(("Usage: harbor", *command)) in ended.stdout
    assert "--help" in ended.stdout


def test_the_help_names_the_commands(harbor: Harbor) -> None:
    ended = harbor.run("--help")
    assert (ended.code, ended.err) == (0, "")
    for command in (
        *("serve", "worker", "migrate", "merchant", "key", "openapi", "doctor"),
        *("gateway", "order", "operation", "reconcile"),
    ):
        assert f"\n  {command} " in ended.out


def test_a_merchant_and_its_keys_from_first_to_last(harbor: Harbor) -> None:
    created = harbor.run("merchant", "create", "Zoë's Shop", "--json").document
    assert set(created) == {"merchant_id", "name", "api_key"}
    assert created["name"] == "Zoë's Shop"
    assert api_key_text.mode_of(created["api_key"]) is not None
    merchant_id = created["merchant_id"]

    asked = ("--name", "till", "--scope", "orders:read", "--scope", "orders:write")
    expiry = ("--expires-at", "2099-01-01T01:00:00+01:00")
    made = harbor.run("key", "create", merchant_id, *asked, *expiry, "--json").document
    assert (made["name"], made["expires_at"]) == ("till", "2099-01-01T00:00:00.000000Z")
    assert set(made["scopes"]) == {"orders:read", "orders:write"}

    listed = harbor.run("key", "list", merchant_id, "--json")
    assert made["api_key"] not in listed.out
    newest, first = listed.document["data"]
    assert newest == {name: made[name] for name in newest}
    assert set(first["scopes"]) == ALL_SCOPES

    late = harbor.run("key", "create", merchant_id, "--expires-at", "2020-01-01T00:00:00Z")
    assert "future" in _is_one_line(late, 2)

    revoked = harbor.run("key", "revoke", merchant_id, made["id"], "--json").document
    assert revoked == {"id": made["id"], "revoked": True}
    text = harbor.run("key", "list", merchant_id).out
    assert [line.split("  ")[2] for line in text.splitlines()] == ["revoked", "active"]


def test_what_is_shown_to_a_person_has_the_key_once(harbor: Harbor) -> None:
    created = harbor.run("merchant", "create", "Acme")
    key = next(word for word in created.out.split() if word.startswith("hk_test_"))
    assert "shown this once" in created.out
    merchant_id = created.out.split()[1]
    assert key not in harbor.run("key", "list", merchant_id).out


def test_migrating_twice_is_migrating_once(harbor: Harbor) -> None:
    assert harbor.run("migrate", "--json").document == {"migrated": True}
    assert harbor.run("migrate", "--json").document == {"migrated": False}
    assert harbor.run("migrate").out == "The database is up to date.\n"


def test_the_openapi_document_is_printed_without_a_database_or_settings(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    ended = harbor.run("openapi")
    assert (ended.code, ended.err) == (0, "")
    assert ended.document["openapi"].startswith("3.1")
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_finds_a_new_directory_well(harbor: Harbor) -> None:
    report = harbor.run("doctor", "--json").document
    assert report["ready"] is True
    assert report["embedded"] is True
    assert report["gateway"] == "simulated"
    assert {each["name"]: each["ok"] for each in report["findings"]} == {
        "database": True,
        "gateway": True,
        "durability": True,
        "clock": True,
        "operations": True,
    }


def _unreachable(directory: Path) -> Harbor:
    url = f"postgresql+asyncpg://harbor:s3cr3t@127.0.0.1:{free_port()}/harbor"
    settings = {
        "HARBOR_DATABASE_URL": url,
        "HARBOR_SECRET_KEY": SECRET,
        "HARBOR_REDIS_URL": f"redis://:s3cr3t@127.0.0.1:{free_port()}/0",
    }
    return Harbor(directory, settings)


@pytest.mark.parametrize(
    "arguments",
    [("migrate",), ("merchant", "create", "Acme"), ("key", "list", SOME_ID)],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_database_that_is_down_is_one_line_and_exit_1(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ended = _unreachable(tmp_path).run(*arguments)
    line = _is_one_line(ended, 1)
    assert "HARBOR_DATABASE_URL" in line
    assert "s3cr3t" not in line


def test_the_doctor_says_what_is_down(tmp_path: Path) -> None:
    ended = _unreachable(tmp_path).run("doctor", "--json")
    assert ended.code == 1
    assert "s3cr3t" not in ended.out + ended.err
    report = ended.document
    assert report["ready"] is False
    # The simulated gateway needs nothing from outside.
    assert [each["name"] for each in report["findings"] if each["ok"]] == ["gateway"]
    assert {each["name"] for each in report["findings"]} >= {"database", "redis"}


def test_a_port_in_use_is_one_line_and_leaves_nothing_behind(harbor: Harbor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _is_one_line(harbor.run("serve", "--port", str(port)), 2)
    assert f"127.0.0.1:{port}" in line
    assert not (harbor.data / "harbor.db").exists()


def test_a_server_that_cannot_start_says_why(harbor: Harbor) -> None:
    with pytest.raises(ServerDidNotStart, match="--workers above 1"):
        harbor.start("--workers", "2")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_worker_works_until_it_is_told_to_stop(harbor: Harbor, end: signal.Signals) -> None:
    assert harbor.run("migrate").code == 0
    worker = subprocess.Popen(  # noqa: S603 - our own program
        [HARBOR, "worker"],
        cwd=harbor.directory,
        env=harbor.environment,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with worker:
        assert worker.stderr is not None
        said = []
        for line in worker.stderr:
            said.append(json.loads(line)["message"])
            if said[-1] == "worker started":
                worker.send_signal(end)
    assert said == ["worker started", "worker stopped"]
    assert worker.returncode == 0


def test_a_key_of_the_command_line_is_taken_by_a_server_that_runs(harbor: Harbor) -> None:
    with harbor.serving() as server:
        server.await_started()
        api_key = harbor.create_merchant(f"Acme {uuid4()}")
        assert api_key.startswith("hk_test_")
        assert server.is_alive
