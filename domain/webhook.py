"""Where a merchant is told of what happens: webhook endpoints, and how often they are tried."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from domain.event import EventType

MAX_ENDPOINTS: Final = 50
"""Of one merchant."""

SECRETS_OVERLAP: Final = timedelta(hours=24)
"""For so long after a rotation the old secret signs as well."""

PAUSES: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""After each attempt that failed; then nothing is tried any more by itself."""

LONGEST_ASKED_FOR: Final = timedelta(hours=6)
"""A receiver that asks to be left alone for longer is tried again all the same."""

FAILING_FOR: Final = timedelta(hours=120)
"""An endpoint at which nothing has succeeded for so long is disabled."""


class EndpointStatus(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"
    DELETED = "deleted"
    """Nobody sees it any more; what was delivered to it refers to it."""


class DisabledReason(StrEnum):
    REQUESTED = "requested"
    """The merchant did it."""
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """Nothing succeeded there for 120 hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """`event_types` None means all. `secret` is what it is signed with, as the vault has sealed it;
    `previous_secret` signs as well until `previous_until`. `failing_since` is when the first of
    the attempts failed since which none has succeeded. `version` counts the changes."""

    id: UUID
    merchant_id: UUID
    url: str
    event_types: frozenset[EventType] | None
    description: str | None
    status: EndpointStatus = EndpointStatus.ENABLED
    disabled_reason: DisabledReason | None = None
    secret: bytes
    previous_secret: bytes | None = None
    previous_until: datetime | None = None
    failing_since: datetime | None = None
    version: int = 1
    created_at: datetime
    updated_at: datetime

    @property
    def is_enabled(self) -> bool:
        return self.status is EndpointStatus.ENABLED

    def wants(self, event_type: EventType) -> bool:
        return self.is_enabled and (self.event_types is None or event_type in self.event_types)

    def secrets(self, now: datetime) -> tuple[bytes, ...]:
        """What signs at this moment, the newest first."""
        if self.previous_secret is None or now >= (self.previous_until or now):
            return (self.secret,)
        return (self.secret, self.previous_secret)

    def rotate(self, secret: bytes, now: datetime) -> "WebhookEndpoint":
        """Another secret. What was the previous one before signs no longer."""
        return self._next(
            now,
            secret=secret,
            previous_secret=self.secret,
            previous_until=now + SECRETS_OVERLAP,
        )

    def change(self, now: datetime, **changed: Any) -> "WebhookEndpoint":
        """Its URL, event types or description. What failed at another URL is forgotten."""
        if "url" in changed:
            changed = {"failing_since": None, **changed}
        return self._next(now, **changed)

    def enable(self, now: datetime) -> "WebhookEndpoint":
        """Whatever it was disabled for is forgotten."""
        return self._next(
            now, status=EndpointStatus.ENABLED, disabled_reason=None, failing_since=None
        )

    def disable(self, reason: DisabledReason, now: datetime) -> "WebhookEndpoint":
        """The first reason stands."""
        if not self.is_enabled:
            return self
        return self._next(now, status=EndpointStatus.DISABLED, disabled_reason=reason)

    def note_success(self) -> "WebhookEndpoint":
        return self if self.failing_since is None else replace(self, failing_since=None)

    def note_failure(self, now: datetime) -> "WebhookEndpoint":
        """The first of a row is remembered."""
        return replace(self, failing_since=now) if self.failing_since is None else self

    def _next(self, now: datetime, **changed: Any) -> "WebhookEndpoint":
        at = max(now, self.updated_at)
        return replace(self, version=self.version + 1, updated_at=at, **changed)


def pause_after(failures: int, *, jitter: float, asked_for: timedelta | None) -> timedelta | None:
    """How long to wait after so many attempts that failed, one after the other; None when there
    have been enough. Give or take a fifth; `jitter` is 0 to 1. Never shorter than what the receiver
    `asked_for`, up to six hours."""
    if failures > len(PAUSES):
        return None
    pause = PAUSES[failures - 1] * (0.8 + 0.4 * jitter)
    return max(pause, min(asked_for or pause, LONGEST_ASKED_FOR))


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """An endpoint as it is to be saved: a new one, or the next version of one that is there."""

    endpoint: WebhookEndpoint
