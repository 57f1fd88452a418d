"""Make the text of a new API key and what is kept of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports.ids import Ids
from domain import api_key_text
from domain.api_key_text import KeyMode
from domain.errors import DomainError
from domain.merchant import ApiKey, Scope, checked_name


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """`text` is the secret; it is shown once and never kept."""

    key: ApiKey
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRequest:
    """What a key is to be. `expires_at` None means never."""

    name: str | None
    scopes: frozenset[Scope]
    expires_at: datetime | None = None


class ApiKeyMint:
    """Turns a request into a key, with the randomness of the port."""

    def __init__(self, *, ids: Ids, mode: KeyMode) -> None:
        self._ids = ids
        self._mode = mode

    def __call__(self, merchant_id: UUID, request: ApiKeyRequest, now: datetime) -> NewApiKey:
        """Raises DomainError `name_invalid`, `expiry_in_the_past`."""
        if request.expires_at is not None and request.expires_at <= now:
            raise DomainError(
                "expiry_in_the_past", "An API key's expiry lies in the future.", "expires_at"
            )
        random_part = self._ids.secret(api_key_text.ALPHABET, api_key_text.RANDOM_LENGTH)
        text = api_key_text.compose(self._mode, random_part)
        key = ApiKey(
            id=self._ids.new(),
            merchant_id=merchant_id,
            name=None if request.name is None else checked_name(request.name),
            prefix=api_key_text.prefix(text),
            digest=api_key_text.digest(text),
            scopes=request.scopes,
            created_at=now,
            expires_at=request.expires_at,
            revoked_at=None,
            last_used_at=None,
        )
        return NewApiKey(key=key, text=text)
