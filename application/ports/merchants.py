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
    async def add_first(self, merchant: Merchant, first_key: ApiKey) -> bool:
        """Add both if there is no merchant yet; whether they were. However many callers race,
        in however many processes, at most one of them adds. Raises StorageUnavailable."""
