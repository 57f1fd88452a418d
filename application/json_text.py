"""JSON as Harbor writes it, everywhere."""

import json
from collections.abc import Mapping
from datetime import datetime
from json.encoder import encode_basestring
from typing import Final

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_RFC3339: Final = "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ"


def render(document: object) -> bytes:
    """UTF-8 JSON text without white space."""
    return json_text(document).encode()


def json_text(document: object) -> str:
    if type(document) is str:
        return encode_basestring(document)
    return "null" if document is None else _ENCODER.encode(document)


def json_object_text(texts: Mapping[str, str]) -> str:
    """What json_text writes too, but for each value it makes an encoder anew."""
    members = [f"{encode_basestring(name)}:{encode_basestring(texts[name])}" for name in texts]
    return f"{{{','.join(members)}}}"


def rfc3339(moment: datetime) -> str:
    """For example "2026-11-21T02:17:39.000120Z": always microseconds. `moment` is UTC."""
    date = (moment.year, moment.month, moment.day)
    return _RFC3339 % (*date, moment.hour, moment.minute, moment.second, moment.microsecond)
