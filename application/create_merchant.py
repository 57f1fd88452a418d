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
        created = self._create(name)
        await self._merchants.add(created.merchant, created.first_key.key)
        return created

    async def first(self, name: str) -> CreatedMerchant | None:
        """The same if there is no merchant yet; None otherwise."""
        created = self._create(name)
        was_first = await self._merchants.add_first(created.merchant, created.first_key.key)
        return created if was_first else None

    def _create(self, name: str) -> CreatedMerchant:
        now = self._clock.now()
        merchant = Merchant(id=self._ids.new(), name=checked_name(name), created_at=now)
        request = ApiKeyRequest(name="first key", scopes=ALL_SCOPES)
        return CreatedMerchant(merchant=merchant, first_key=self._mint(merchant.id, request, now))
