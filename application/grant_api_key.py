"""An operator grants an API key to a merchant."""

from uuid import UUID

from application.errors import MerchantNotFound
from application.new_api_key import ApiKeyMint, ApiKeyRequest, NewApiKey
from application.ports.api_keys import ApiKeys
from application.ports.clock import Clock
from application.ports.merchants import Merchants


class GrantApiKey:
    def __init__(
        self, *, merchants: Merchants, api_keys: ApiKeys, mint: ApiKeyMint, clock: Clock
    ) -> None:
        self._merchants = merchants
        self._api_keys = api_keys
        self._mint = mint
        self._clock = clock

    async def __call__(self, merchant_id: UUID, request: ApiKeyRequest) -> NewApiKey:
        """Raises MerchantNotFound, DomainError `expiry_in_the_past` or `name_invalid`,
        StorageUnavailable."""
        if not await self._merchants.exists(merchant_id):
            raise MerchantNotFound
        new = self._mint(merchant_id, request, self._clock.now())
        await self._api_keys.add(new.key)
        return new
