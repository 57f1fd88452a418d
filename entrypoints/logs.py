"""Logs on standard error: one JSON object a line, or plain text for a person."""

import logging
import sys
from typing import Final, Literal

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

# uvicorn says some lines twice, the second time in colour.
_NOT_SHOWN: Final = [*RESERVED_ATTRS, "color_message"]
_QUIET: Final = ("sqlalchemy", "asyncio", "aiosqlite", "alembic")


class _PersonFormatter(logging.Formatter):
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
    return JsonFormatter(
        ["levelname", "name", "message"],
        rename_fields={"levelname": "level", "name": "logger"},
        reserved_attrs=_NOT_SHOWN,
        timestamp=True,
    )


def _person() -> logging.Formatter:
    return _PersonFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
