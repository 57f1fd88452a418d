"""The line of a request is made quickly, and is what any other line would be."""

import asyncio
import contextlib
import io
import json
import logging
import sys
import time
from collections.abc import Iterator

import pytest
from pythonjsonlogger.json import JsonFormatter

from entrypoints.logs import RequestRecord, configure_logs, log_request

FIELDS = {
    "method": "POST",
    "route": "/v1/orders/{order_id}",
    "status": 201,
    "duration_ms": 1.5,
    "request_id": "an-id",
    "merchant_id": "01900000-0000-7000-8000-000000000000",
}
_PIPE_BYTES = 4_096


class Writes(io.StringIO):
    """Remembers each write."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []

    def write(self, text: str) -> int:
        self.all.append(text)
        return super().write(text)


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Writes]:
    """What the configured logs write, as JSON."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    written = Writes()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logs("json")
    yield written
    root.handlers.clear()


def _log_a_request(**changes: object) -> None:
    logging.getLogger("harbor.http").handle(RequestRecord(**(FIELDS | changes)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"merchant_id": None},
        {"duration_ms": 0.0},
        {"duration_ms": 12345.67},
        {"route": 'a "quoted" \\ one, é and 🐙\n'},
        {"request_id": ""},
    ],
)
def test_it_is_what_the_library_would_have_written(
    writes: Writes, changes: dict[str, object]
) -> None:
    _log_a_request(**changes)
    formatter = logging.getLogger().handlers[0].formatter
    assert isinstance(formatter, JsonFormatter)
    record = RequestRecord(**(FIELDS | changes))  # type: ignore[arg-type]
    record.created = 1_800_000_000.25
    assert formatter.format(record) + "\n" == JsonFormatter.format(formatter, record) + "\n"
    written = json.loads(writes.getvalue())
    assert {name: written[name] for name in FIELDS} == FIELDS | changes


def _asked(**changes: object) -> None:
    log_request(**(FIELDS | changes))  # type: ignore[arg-type]


def test_a_line_without_a_record_says_the_same(
    writes: Writes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.25)
    _log_a_request()
    _asked()
    short, of_record = writes.getvalue().splitlines()
    assert short == of_record


def test_whoever_else_listens_is_given_a_record(
    writes: Writes, caplog: pytest.LogCaptureFixture
) -> None:
    harbor = logging.getLogger("harbor.http")
    for listening in (logging.getLogger(), harbor):
        caplog.clear()
        listening.addHandler(caplog.handler)
        _asked(status=202)
        listening.removeHandler(caplog.handler)
        (record,) = caplog.records
        assert (record.getMessage(), vars(record)["status"]) == ("request", 202)
    assert writes.getvalue().count('"status": 202') == 2


def test_what_is_not_wanted_is_not_written(writes: Writes) -> None:
    harbor = logging.getLogger("harbor.http")
    harbor.addFilter(lambda record: "health" not in vars(record)["route"])
    try:
        _asked(route="/health")
        _asked()
    finally:
        harbor.filters.clear()
    assert writes.getvalue().count("\n") == 1
    logging.getLogger().setLevel(logging.WARNING)
    _asked()
    logging.getLogger().setLevel(logging.INFO)
    assert writes.getvalue().count("\n") == 1


def test_a_person_sees_it_too(writes: Writes) -> None:
    with contextlib.redirect_stderr(writes):
        configure_logs("console")
    _log_a_request()
    (line,) = writes.getvalue().splitlines()
    assert "INFO    harbor.http: request method=POST route=/v1/orders/{order_id} status=201" in line


def test_without_an_event_loop_it_is_written_at_once(writes: Writes) -> None:
    _log_a_request()
    _log_a_request()
    assert len([text for text in writes.all if text]) == 2


def test_what_ends_in_one_turn_is_written_together(writes: Writes) -> None:
    async def turns() -> None:
        for _ in range(3):
            _log_a_request()
        assert writes.getvalue() == ""
        await asyncio.sleep(0)
        assert [text.count("\n") for text in writes.all] == [3]
        _log_a_request()

    asyncio.run(turns())
    assert writes.getvalue().count("\n") == 4


def test_any_other_line_is_written_at_once_and_behind(writes: Writes) -> None:
    async def turn() -> None:
        _log_a_request()
        logging.getLogger("harbor.test").info("stopped")
        first, second = (json.loads(line) for line in writes.getvalue().splitlines())
        assert (first["message"], second["message"]) == ("request", "stopped")

    asyncio.run(turn())
    assert writes.getvalue().count("\n") == 2


def test_a_write_is_whole_lines_and_fits_into_a_pipe(writes: Writes) -> None:
    async def turn() -> None:
        for number in range(100):
            _log_a_request(request_id=str(number))

    asyncio.run(turn())
    for text in writes.all:
        assert text.endswith("\n")
        assert len(text) <= _PIPE_BYTES
    assert len(writes.all) < 15
    ids = [json.loads(line)["request_id"] for line in writes.getvalue().splitlines()]
    assert ids == [str(number) for number in range(100)]


def test_an_orderly_end_writes_what_is_left(writes: Writes) -> None:
    loop = asyncio.new_event_loop()
    loop.call_soon(_log_a_request)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    logging.getLogger().handlers[0].flush()  # as logging.shutdown does
    assert writes.getvalue().count("\n") == 1
