"""Create a merchant with a first API key that has every scope."""

from dataclasses import dataclass

from application.new_api_key import ApiKeyMint, ApiKeyRequest, NewApiKey
from application.ports.clock import Clock
from application.ports.ids import Ids
from application.ports.merchants import Merchants
from domain.merchant import ALL_SCOPES, Merchant, checked_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedMerchant:
    merchant: Merchant
    first_key: NewApiKey


class CreateMerchant:
    def __init__(self, *, merchants: Merchants, mint: ApiKeyMint, ids: Ids, clock: Clock) -> None:
        self._merchants = merchants
        self._mint = mint
        self._ids = ids
        self._clock = clock

    async def __call__(self, name: str) -> CreatedMerchant:
        """Raises DomainError `name_invalid`, StorageUnavailable."""
        now = self._clock.now()
        merchant = Merchant(id=self._ids.new(), name=checked_name(name), created_at=now)
        request = ApiKeyRequest(name="first key", scopes=ALL_SCOPES)
        first_key = self._mint(merchant.id, request, now)
        await self._merchants.add(merchant, first_key.key)
        return CreatedMerchant(merchant=merchant, first_key=first_key)

    async def is_first(self) -> bool:
        """Whether there is no merchant yet. Raises StorageUnavailable."""
        return await self._merchants.is_empty()
