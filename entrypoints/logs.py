"""Logs on standard error: one JSON object a line, or plain text for a person."""

import logging
import re
import sys
from typing import Any, Final, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

# uvicorn says some lines twice, the second time in colour.
_NOT_SHOWN: Final = [*RESERVED_ATTRS, "color_message"]
_DETAIL: Final = re.compile(
    r"^[ |]*DETAIL:.*?(?=^[ |]*(?:\[SQL|Traceback|The above|During handling)|\Z)", re.M | re.S
)
_QUIET: Final = ("sqlalchemy", "asyncio", "aiosqlite", "alembic")


class _Discreet(logging.Formatter):
    """Tracebacks without what PostgreSQL adds of a row: its DETAIL shows values."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the standard library's name
        return _DETAIL.sub("DETAIL: (left out)\n", super().formatException(ei))


class _JsonFormatter(_Discreet, JsonFormatter):
    """One JSON object a line."""


class _PersonFormatter(_Discreet):
    """The line, then what was said beside it as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        beside = [
            f"{name}={value}"
            for name, value in vars(record).items()
            if name not in _NOT_SHOWN and value is not None
        ]
        return " ".join([super().format(record), *beside])


def configure_logs(log_format: Literal["json", "console"]) -> None:
    """For this process: Harbor's own lines and those of the libraries alike."""
    handler = logging.StreamHandler(sys.stderr)
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
