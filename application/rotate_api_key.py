"""Replace an API key by a new one; the old one works on for an overlap."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from application.authenticate import Caller
from application.errors import ApiKeyNotFound
from application.issue_api_key import made_api_key
from application.new_api_key import ApiKeyMint, ApiKeyRequest
from application.once import Answer, Claim, Made, Once
from application.ports.api_keys import ApiKeys
from domain.merchant import ApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateApiKeyCommand:
    claim: Claim
    caller: Caller
    key_id: UUID
    overlap: timedelta


class RotateApiKey:
    def __init__(self, *, once: Once, api_keys: ApiKeys, mint: ApiKeyMint) -> None:
        self._once = once
        self._api_keys = api_keys
        self._mint = mint

    async def __call__(self, command: RotateApiKeyCommand) -> Answer:
        """The successor's document with its text: same name, scopes and expiry as the old key.

        Raises ApiKeyNotFound, ScopeMissing, DomainError `api_key_inactive`, and all that Once does.
        """

        # Asked before any replay as well: that answer holds a secret with these scopes.
        old = await self._replaceable(command)

        async def make(now: datetime) -> Made:
            return self._rotate(await self._replaceable(command), command.overlap, now)

        answer = await self._once(command.claim, make)
        self._api_keys.forget(old.prefix)
        return answer

    async def _replaceable(self, command: RotateApiKeyCommand) -> ApiKey:
        old = await self._api_keys.get(command.caller.merchant_id, command.key_id)
        if old is None:
            raise ApiKeyNotFound
        command.caller.require(*sorted(old.scopes))
        return old

    def _rotate(self, old: ApiKey, overlap: timedelta, now: datetime) -> Made:
        request = ApiKeyRequest(name=old.name, scopes=old.scopes, expires_at=old.expires_at)
        old.refuse_unless_replaceable(now)
        new = self._mint(old.merchant_id, request, now)
        return made_api_key(new, old.retire(new.key.id, now, overlap))
