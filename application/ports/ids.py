"""Identity and randomness."""

from abc import abstractmethod
from typing import Protocol
from uuid import UUID


class Ids(Protocol):
    @abstractmethod
    def new(self) -> UUID:
        """A UUIDv7 (RFC 9562), unique everywhere and increasing within a process."""

    @abstractmethod
    def fraction(self) -> float:
        """From 0 up to 1, uniformly: so that many who wait do not all come back at once."""

    @abstractmethod
    def secret(self, alphabet: str, length: int) -> str:
        """`length` characters of `alphabet` from a cryptographic source, uniformly."""
