"""Find out who is calling from the API key they present."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.errors import ScopeMissing, Unauthenticated
from application.ports.api_keys import ApiKeys
from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from domain import api_key_text
from domain.api_key_text import KeyMode
from domain.merchant import ApiKey, Scope

USE_IS_NOTED_EVERY: Final = timedelta(minutes=1)

_MOST_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The merchant on whose behalf a request acts, and what its key allows."""

    merchant_id: UUID
    key_id: UUID
    scopes: frozenset[Scope]

    def require(self, *scopes: Scope) -> None:
        """Raises ScopeMissing."""
        if not self.scopes.issuperset(scopes):
            missing = [scope for scope in scopes if scope not in self.scopes]
            raise ScopeMissing(f"This API key lacks the scope {', '.join(missing)}.")


@dataclass(frozen=True, slots=True)
class _Voice:
    """A key as the store gave it, and for whom it speaks."""

    key: ApiKey
    caller: Caller


class Authenticate:
    def __init__(self, *, api_keys: ApiKeys, clock: Clock, mode: KeyMode) -> None:
        self._api_keys = api_keys
        self._clock = clock
        self._mode = mode
        self._have_spoken: dict[bytes, _Voice] = {}
        """By the digest of a key that has spoken what need not be found out again. Whether it
        still may speak is asked each time."""

    async def __call__(self, text: str) -> Caller:
        """Raises Unauthenticated, StorageUnavailable."""
        digest = api_key_text.digest(text)
        voice = self._have_spoken.get(digest)
        if voice is None:
            self._refuse_malformed(text)
        prefix = api_key_text.prefix(text) if voice is None else voice.key.prefix
        key = _speaking(await self._api_keys.with_prefix(prefix), digest)
        now = self._clock.now()
        if key is None or not key.is_active(now):
            raise Unauthenticated("The API key is unknown, revoked or expired.")
        if key.last_used_at is None or now - key.last_used_at >= USE_IS_NOTED_EVERY:
            await self._note_use(key, now)
        if voice is None or voice.key is not key:
            voice = self._remember(digest, key)
        return voice.caller

    def _remember(self, digest: bytes, key: ApiKey) -> "_Voice":
        if len(self._have_spoken) >= _MOST_REMEMBERED:
            self._have_spoken.clear()
        caller = Caller(merchant_id=key.merchant_id, key_id=key.id, scopes=key.scopes)
        self._have_spoken[digest] = _Voice(key, caller)
        return self._have_spoken[digest]

    def _refuse_malformed(self, text: str) -> None:
        mode = api_key_text.mode_of(text)
        if mode is None:
            raise Unauthenticated("This is not an API key: it is mistyped or cut short.")
        if mode is not self._mode:
            raise Unauthenticated(
                f"This is a {mode} API key; this server takes {self._mode} API keys."
            )

    async def _note_use(self, key: ApiKey, now: datetime) -> None:
        try:
            await self._api_keys.touch(key, now)
        except StorageUnavailable:
            # The note is for people; a request does not fail for it.
            return


def _speaking(candidates: tuple[ApiKey, ...], digest: bytes) -> ApiKey | None:
    for key in candidates:
        if hmac.compare_digest(key.digest, digest):
            return key
    return None
