"""Revoke an API key: at once in this process, within a second in the others."""

from uuid import UUID

from application.errors import ApiKeyNotFound
from application.ports.api_keys import ApiKeys
from application.ports.clock import Clock


class RevokeApiKey:
    def __init__(self, *, api_keys: ApiKeys, clock: Clock) -> None:
        self._api_keys = api_keys
        self._clock = clock

    async def __call__(self, merchant_id: UUID, key_id: UUID) -> None:
        """Revoking a revoked key changes nothing. Raises ApiKeyNotFound, StorageUnavailable."""
        key = await self._api_keys.get(merchant_id, key_id)
        if key is None:
            raise ApiKeyNotFound
        await self._api_keys.revoke(key.revoke(self._clock.now()))
