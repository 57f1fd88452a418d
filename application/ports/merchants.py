"""The merchants."""

from abc import abstractmethod
from typing import Protocol
from uuid import UUID

from domain.merchant import ApiKey, Merchant


class Merchants(Protocol):
    @abstractmethod
    async def add(self, merchant: Merchant, first_key: ApiKey) -> None:
        """Both or neither. Raises StorageUnavailable."""

    @abstractmethod
    async def exists(self, merchant_id: UUID) -> bool:
        """Raises StorageUnavailable."""

    @abstractmethod
    async def is_empty(self) -> bool:
        """Whether no merchant was ever added. Raises StorageUnavailable."""
