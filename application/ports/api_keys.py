"""The API keys of the merchants."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.pages import Page, Position
from domain.merchant import ApiKey


class ApiKeys(Protocol):
    """Every method raises StorageUnavailable when the store cannot be asked."""

    @abstractmethod
    async def with_prefix(self, prefix: str) -> tuple[ApiKey, ...]:
        """The keys, of any merchant, whose public prefix this is: nearly always one or none.
        May lag behind a change made by another process by less than a second, never behind one
        made through this object."""

    @abstractmethod
    async def get(self, merchant_id: UUID, key_id: UUID) -> ApiKey | None:
        """The merchant's own key; None for an unknown id and for another merchant's."""

    @abstractmethod
    async def page(self, merchant_id: UUID, after: Position | None, limit: int) -> Page[ApiKey]:
        """The merchant's keys, newest first, those after `after`, at most `limit`."""

    @abstractmethod
    async def add(self, key: ApiKey) -> None: ...

    @abstractmethod
    async def revoke(self, key: ApiKey) -> None:
        """Save the key's `revoked_at`. An earlier revocation stands."""

    @abstractmethod
    async def touch(self, key: ApiKey, used_at: datetime) -> None:
        """Remember that the key was used; `drain` waits until it is saved."""

    @abstractmethod
    def forget(self, prefix: str) -> None:
        """Drop whatever is remembered of the keys with this prefix: it has changed."""

    @abstractmethod
    async def drain(self) -> None:
        """Wait until everything noted so far is saved, or has failed."""
