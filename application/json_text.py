"""JSON as Harbor writes it, everywhere."""

import json
from datetime import datetime
from json.encoder import encode_basestring
from typing import Final

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


def render(document: object) -> bytes:
    """UTF-8 JSON text without white space."""
    return json_text(document).encode()


def json_text(document: object) -> str:
    if type(document) is str:
        return encode_basestring(document)
    return "null" if document is None else _ENCODER.encode(document)


def rfc3339(moment: datetime) -> str:
    """For example "2026-11-21T02:17:39.000120Z": always UTC, always microseconds."""
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
