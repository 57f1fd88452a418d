"""AES-256-GCM with a key derived from the service's secret."""

import hashlib
import hmac
import os
from typing import Final

from application.ports.vault import CannotOpen, Vault

_NONCE_BYTES: Final = 12
_VERSION: Final = b"\x01"


class AesGcmVault(Vault):
    """Sealed bytes: version (1), nonce (12), ciphertext and tag. NIST SP 800-38D."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"harbor vault v1", hashlib.sha256)

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        # Imported when used: most processes never seal anything, and it takes 7 MB.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + nonce + AESGCM(self._key).encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if sealed[:1] != _VERSION:
            raise CannotOpen
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return AESGCM(self._key).decrypt(nonce, ciphertext, context)
        except (InvalidTag, ValueError) as error:
            raise CannotOpen from error
