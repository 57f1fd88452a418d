"""Merchants and the API keys that speak for them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import DomainError

MAX_NAME_LENGTH: Final = 100


class Scope(StrEnum):
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    WEBHOOKS_MANAGE = "webhooks:manage"
    EVENTS_READ = "events:read"
    KEYS_MANAGE = "keys:manage"


ALL_SCOPES: Final = frozenset(Scope)


def checked_name(name: str) -> str:
    """A name for people, trimmed. Raises DomainError `name_invalid`."""
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= MAX_NAME_LENGTH or not trimmed.isprintable():
        raise DomainError(
            "name_invalid", f"A name is 1 to {MAX_NAME_LENGTH} printable characters.", "name"
        )
    return trimmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Merchant:
    id: UUID
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A credential of a merchant. Only `digest` of the secret text is kept; `prefix` is public
    and lets a person tell keys apart. `replaced_by` is the key that a rotation made."""

    id: UUID
    merchant_id: UUID
    name: str | None
    prefix: str
    digest: bytes
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    replaced_by: UUID | None = None

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def revoke(self, now: datetime) -> "ApiKey":
        """Revoking twice keeps the first moment."""
        return self if self.revoked_at is not None else replace(self, revoked_at=now)

    def refuse_unless_replaceable(self, now: datetime) -> None:
        """Raises DomainError `api_key_inactive`: a key that is revoked, expired or replaced already
        has no successor."""
        if not self.is_active(now):
            raise DomainError("api_key_inactive", "The API key is revoked or has expired.")
        if self.replaced_by is not None:
            raise DomainError("api_key_inactive", "The API key is replaced already.")

    def retire(self, successor: UUID, now: datetime, overlap: timedelta) -> "ApiKey":
        """The key that a rotation replaced works on for `overlap`, never longer than it had.

        Raises DomainError `api_key_inactive`.
        """
        self.refuse_unless_replaceable(now)
        end = now + overlap
        if self.expires_at is not None and self.expires_at < end:
            end = self.expires_at
        return replace(self, expires_at=end, replaced_by=successor)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyChange:
    """A key that was issued and, when it replaces one, the key that retires."""

    issued: ApiKey
    retired: ApiKey | None = None
