"""Encryption of what must not be readable in the store."""

from abc import abstractmethod
from typing import Protocol


class Vault(Protocol):
    @abstractmethod
    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Authenticated ciphertext that opens only with the same `context`."""

    @abstractmethod
    def open(self, sealed: bytes, context: bytes) -> bytes:
        """What was sealed. Raises CannotOpen when the secret key, the context or the bytes are
        not those of the sealing."""


class CannotOpen(Exception):
    """The sealed bytes are not readable with this secret key and context."""
