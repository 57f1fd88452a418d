"""Logs on standard error: one JSON object a line, or plain text for a person."""

import asyncio
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, Final, Literal, TextIO

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

# uvicorn says some lines twice, the second time in colour.
_NOT_SHOWN: Final = [*RESERVED_ATTRS, "color_message"]
_DETAIL: Final = re.compile(
    r"^[ |]*DETAIL:.*?(?=^[ |]*(?:\[SQL|Traceback|The above|During handling)|\Z)", re.M | re.S
)
_PIPE_BYTES: Final = 4_096
"""PIPE_BUF of Linux: a write of so much is one piece."""
_QUIET: Final = ("sqlalchemy", "asyncio", "aiosqlite", "alembic", "aiohttp")

_OF_A_REQUEST: Final = ["method", "route", "status", "duration_ms", "request_id", "merchant_id"]
_requests: Final = logging.getLogger("harbor.http")

_quoted: Final = lru_cache(maxsize=1_000)(encode_basestring_ascii)
"""For what comes again and again."""


class _Discreet(logging.Formatter):
    """Tracebacks without what PostgreSQL adds of a row: its DETAIL shows values."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the standard library's name
        return _DETAIL.sub("DETAIL: (left out)\n", super().formatException(ei))


class RequestRecord(logging.LogRecord):
    """The record of one request: like any other, but for the place in the code and the thread,
    which are the same for all of them and cost more than the rest."""

    def __init__(self, **beside: str | int | float | None) -> None:
        said: dict[str, Any] = _SAME_FOR_ALL.copy()
        said.update(beside)
        said["created"] = time.time()
        self.__dict__ = said


_SAME_FOR_ALL: Final = vars(
    logging.LogRecord("harbor.http", logging.INFO, "", 0, "request", (), None)
)


class _JsonFormatter(_Discreet, JsonFormatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        if type(record) is not RequestRecord:
            return super().format(record)
        said = vars(record)
        return _request_line(said["created"], *[said[name] for name in _OF_A_REQUEST])


def log_request(
    method: str,
    route: str,
    status: int,
    duration_ms: float,
    request_id: str,
    merchant_id: str | None,
) -> None:
    """One line of one request."""
    if not _requests.isEnabledFor(logging.INFO):
        return
    said = (method, route, status, duration_ms, request_id, merchant_id)
    writer = _only_listener()
    if writer is None:
        _requests.handle(RequestRecord(**dict(zip(_OF_A_REQUEST, said, strict=True))))
    else:
        writer.write_soon(_request_line(time.time(), *said))


def _only_listener() -> "_LineWriter | None":
    """The writer of JSON, if it alone would be given a record of a request: a line then needs no
    record, which costs as much as the line."""
    alone = len(logging.root.handlers) == 1 and not _requests.handlers
    passes_on = _requests.parent is logging.root and _requests.propagate and not _requests.filters
    if not alone or not passes_on:
        return None
    (handler,) = logging.root.handlers
    if not isinstance(handler, _LineWriter) or handler.filters or handler.level > logging.INFO:
        return None
    return handler if isinstance(handler.formatter, _JsonFormatter) else None


def _request_line(
    created: float,
    method: str,
    route: str,
    status: int,
    duration_ms: float,
    request_id: str,
    merchant_id: str | None,
) -> str:
    """What JsonFormatter says of it, in a small part of the time."""
    return (
        '{"level": "INFO", "logger": "harbor.http", "message": "request"'
        f', "method": {_quoted(method)}'
        f', "route": {_quoted(route)}'
        f', "status": {status}'
        f', "duration_ms": {duration_ms}'
        f', "request_id": {encode_basestring_ascii(request_id)}'
        f', "merchant_id": {"null" if merchant_id is None else _quoted(merchant_id)}'
        f', "timestamp": "{_moment(created)}"}}'
    )


def _moment(created: float) -> str:
    """In RFC 3339, always with microseconds."""
    second, microseconds = divmod(int(created * 1_000_000), 1_000_000)
    return f"{_second(second)}.{microseconds:06}+00:00"


@lru_cache(maxsize=2)
def _second(timestamp: int) -> str:
    """Many lines are of one second, and telling a day from a number is the most of writing one."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class _PersonFormatter(_Discreet):
    """The line, then what was said beside it as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        beside = [
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in _NOT_SHOWN and value is not None
        ]
        return " ".join([super().format(record), *beside])


class _LineWriter(logging.StreamHandler[TextIO]):
    """Writes the lines of requests that end in one turn of the event loop together, any other line
    at once and behind those. What is written at once is whole lines, and no more of them than a
    pipe takes without mixing them with another process's."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._is_due = False
        self._writing = threading.RLock()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
            if type(record) is RequestRecord:
                self.write_soon(line)
            else:
                self._lines.append(line + self.terminator)
                self.flush()
        except Exception:
            self.handleError(record)

    def write_soon(self, line: str) -> None:
        """At the end of this turn of the event loop; at once where there is none."""
        self._lines.append(line + self.terminator)
        if not self._is_due and not self._flush_soon():
            self.flush()

    def flush(self) -> None:
        with self._writing:
            self._is_due = False
            # The list stays the same one: another thread may be about to add to it.
            lines = self._lines[:]
            del self._lines[: len(lines)]
            for text in _pieces(lines):
                self.stream.write(text)
            super().flush()

    def _flush_soon(self) -> bool:
        """False when there is no loop that would do it."""
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            return False
        self._is_due = True
        return True


def _pieces(lines: Sequence[str]) -> Iterator[str]:
    first, size = 0, 0
    for place, line in enumerate(lines):
        size += len(line)
        if size > _PIPE_BYTES:
            yield "".join(lines[first:place])
            first, size = place, len(line)
    yield "".join(lines[first:])


def configure_logs(log_format: Literal["json", "console"]) -> None:
    """For this process: Harbor's own lines and those of the libraries alike."""
    handler = _LineWriter(sys.stderr)
    handler.setFormatter(_json() if log_format == "json" else _person())
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _json() -> logging.Formatter:
    return _JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=_NOT_SHOWN,
        timestamp=True,
    )


def _person() -> logging.Formatter:
    return _PersonFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
