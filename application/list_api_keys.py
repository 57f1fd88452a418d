"""List a merchant's API keys: prefixes, scopes, last use, expiry; never a secret."""

from uuid import UUID

from application.pages import Page, Position
from application.ports.api_keys import ApiKeys
from domain.merchant import ApiKey


class ListApiKeys:
    def __init__(self, *, api_keys: ApiKeys) -> None:
        self._api_keys = api_keys

    async def __call__(
        self, merchant_id: UUID, *, after: Position | None, limit: int
    ) -> Page[ApiKey]:
        """Newest first, revoked and expired ones too. Raises StorageUnavailable."""
        return await self._api_keys.page(merchant_id, after, limit)
