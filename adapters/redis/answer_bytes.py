"""A stored answer as bytes that cannot be forged, mixed up or cut short.

Layout: HMAC-SHA-256 over everything else and the cache key (32 bytes), one line of JSON, body.
"""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Final
from uuid import UUID

from application.fingerprint import Fingerprint
from application.ports.idempotency import StoredAnswer

_MAC_BYTES: Final = 32


class AnswerBytes:
    """Packs and unpacks with a key of its own, derived from the service's secret."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"harbor replay cache v2", hashlib.sha256)

    def cache_key(self, merchant_id: UUID, key: str) -> bytes:
        """Of fixed length, and without the integrator's key in clear."""
        name = hashlib.blake2b(key.encode(), digest_size=16, key=merchant_id.bytes).hexdigest()
        return f"harbor:answer:{merchant_id.hex}:{name}".encode()

    def pack(self, answer: StoredAnswer) -> bytes:
        """An answer that has its body and holds no secret."""
        header = json.dumps(
            {
                "merchant_id": answer.merchant_id.hex,
                "key": answer.key,
                "route": answer.route,
                "version": answer.fingerprint.version,
                "digest": answer.fingerprint.digest.hex(),
                "members": answer.fingerprint.members,
                "resource_type": answer.resource_type,
                "resource_id": answer.resource_id.hex,
                "status": answer.status,
                "location": answer.location,
                "created_at": answer.created_at.isoformat(),
                "expires_at": answer.expires_at.isoformat(),
            },
            separators=(",", ":"),
        ).encode()
        content = header + b"\n" + (answer.body or b"")
        return self._mac(content) + content

    def unpack(self, packed: bytes, merchant_id: UUID, key: str) -> StoredAnswer | None:
        """None unless `packed` is what `pack` made of this merchant's answer to this key."""
        mac, content = packed[:_MAC_BYTES], packed[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(content)):
            return None
        header, _, body = content.partition(b"\n")
        fields = json.loads(header)
        if fields["merchant_id"] != merchant_id.hex or fields["key"] != key:
            return None
        return StoredAnswer(
            merchant_id=merchant_id,
            key=key,
            route=fields["route"],
            fingerprint=Fingerprint(
                version=fields["version"],
                digest=bytes.fromhex(fields["digest"]),
                members=fields["members"],
            ),
            resource_type=fields["resource_type"],
            resource_id=UUID(fields["resource_id"]),
            status=fields["status"],
            location=fields["location"],
            body=body,
            sealed=False,
            created_at=datetime.fromisoformat(fields["created_at"]),
            expires_at=datetime.fromisoformat(fields["expires_at"]),
        )

    def _mac(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)
