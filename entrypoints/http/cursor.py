"""Cursors: where a page ended, signed for one merchant and one set of filters."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from application.pages import Position
from entrypoints.http.problems import Refused

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MOMENT_BYTES: Final = 8
_POSITION_BYTES: Final = _MOMENT_BYTES + 16
_MAC_BYTES: Final = 16
_LENGTH: Final = 54


class Cursors:
    """base64url of: integer microseconds since 1970 (8 bytes), id (16), HMAC-SHA-256 cut to 16."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"harbor cursor v1", hashlib.sha256)

    def encode(self, position: Position, merchant_id: UUID, filters: Mapping[str, object]) -> str:
        """54 characters."""
        microseconds = (position.created_at - _EPOCH) // _MICROSECOND
        packed = microseconds.to_bytes(_MOMENT_BYTES, signed=True) + position.id.bytes
        sealed = packed + self._mac(packed, merchant_id, filters)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def decode(self, text: str, merchant_id: UUID, filters: Mapping[str, object]) -> Position:
        """Raises Refused `invalid_cursor` unless `text` is an answer of `encode` for the same
        merchant and filters."""
        sealed = _from_base64url(text)
        packed, mac = sealed[:_POSITION_BYTES], sealed[_POSITION_BYTES:]
        if not hmac.compare_digest(mac, self._mac(packed, merchant_id, filters)):
            raise _invalid()
        microseconds = int.from_bytes(packed[:_MOMENT_BYTES], signed=True)
        return Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=packed[_MOMENT_BYTES:]))

    def _mac(self, packed: bytes, merchant_id: UUID, filters: Mapping[str, object]) -> bytes:
        named = json.dumps(filters, sort_keys=True, default=str).encode()
        whole = packed + merchant_id.bytes + named
        return hmac.digest(self._key, whole, hashlib.sha256)[:_MAC_BYTES]


def _from_base64url(text: str) -> bytes:
    """Strict: one text per value, so that a changed character never means the same."""
    if len(text) != _LENGTH or not text.isascii():
        raise _invalid()
    try:
        raw = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except binascii.Error:
        raise _invalid() from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise _invalid()
    return raw


def _invalid() -> Refused:
    return Refused(
        "invalid_cursor",
        "The cursor was not issued for this list with these filters. Begin again without one.",
    )
