"""JSON as Harbor writes it, everywhere."""

import json
from datetime import datetime
from typing import Final

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


def render(document: object) -> bytes:
    """UTF-8 JSON text without white space."""
    return _ENCODER.encode(document).encode()


def rfc3339(moment: datetime) -> str:
    """For example "2026-11-21T02:17:39.000120Z": always UTC, always microseconds."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
