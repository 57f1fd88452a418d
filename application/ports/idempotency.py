"""Doing a thing once per (merchant, key), and answering the same for ever after."""

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.fingerprint import Fingerprint
from domain.delivery import Redelivery
from domain.event import EndpointEvent
from domain.merchant import ApiKeyChange
from domain.order import Change
from domain.quick import quick
from domain.webhook import EndpointChange


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """The first answer to a key. `body` is None once it is no longer kept; the rest stays for
    ever. `sealed` bodies hold a secret and are ciphertext. `route` is method and path."""

    merchant_id: UUID
    key: str
    route: str
    fingerprint: Fingerprint
    resource_type: str
    resource_id: UUID
    status: int
    location: str
    body: bytes | None
    sealed: bool
    created_at: datetime
    expires_at: datetime


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A change and the answer that tells of it: saved together or not at all. With the change of
    an order goes `document`, the order's public JSON text as the change left it."""

    answer: StoredAnswer
    change: Change | ApiKeyChange | EndpointChange | EndpointEvent | Redelivery
    document: bytes | None = None


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The answer that stands under a key. `fresh` when it is the one just recorded."""

    answer: StoredAnswer
    fresh: bool


class IdempotencyStore(Protocol):
    @abstractmethod
    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        """The answer, if it happens to be at hand. A short cut: None proves nothing, and no
        failure of what is behind it is ever seen here."""

    @abstractmethod
    async def record(self, record: Record) -> Standing:
        """Save `record` durably unless its key was used before, in one atomic step.

        However many callers race with one key, in however many processes, exactly one of them
        is `fresh`, and all get the same answer. When it returns fresh, everything in the record
        survives a crash; when it raises anything but OutcomeUnknown, nothing of it was saved. A
        connection that broke at the commit is followed up before this returns.

        Raises ChangedMeanwhile, KeyInProgress, StorageUnavailable, OutcomeUnknown.
        """

    @abstractmethod
    async def find(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        """The truth: the committed answer. Raises StorageUnavailable."""

    @abstractmethod
    async def is_running(self, merchant_id: UUID, key: str) -> bool:
        """Whether some process is recording under the key at this moment. When it answers False,
        a `find` that follows sees every answer that was being recorded before.
        Raises StorageUnavailable."""

    @abstractmethod
    async def drop_expired_bodies(self, now: datetime, limit: int) -> int:
        """Clear the bodies that expired before `now`, at most `limit`; how many were cleared.
        The keys stay used. Raises StorageUnavailable."""
