"""Issue an API key to a merchant that already has one."""

from dataclasses import dataclass
from datetime import datetime

from application.api_key_document import new_api_key_document
from application.authenticate import Caller
from application.json_text import render
from application.new_api_key import ApiKeyMint, ApiKeyRequest, NewApiKey
from application.once import Answer, Claim, Made, Once
from domain.merchant import ApiKey, ApiKeyChange


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueApiKeyCommand:
    claim: Claim
    caller: Caller
    request: ApiKeyRequest


class IssueApiKey:
    def __init__(self, *, once: Once, mint: ApiKeyMint) -> None:
        self._once = once
        self._mint = mint

    async def __call__(self, command: IssueApiKeyCommand) -> Answer:
        """The new key's document with its text. Nobody can hand on a scope that they lack.

        Raises ScopeMissing, DomainError `expiry_in_the_past`, `name_invalid`, and all that Once
        does.
        """
        command.caller.require(*sorted(command.request.scopes))

        async def make(now: datetime) -> Made:
            return made_api_key(self._mint(command.caller.merchant_id, command.request, now))

        return await self._once(command.claim, make)


def made_api_key(new: NewApiKey, retired: ApiKey | None = None) -> Made:
    return Made(
        resource_type="api_key",
        resource_id=new.key.id,
        location=f"/v1/api-keys/{new.key.id}",
        body=render(new_api_key_document(new.key, new.text)),
        change=ApiKeyChange(issued=new.key, retired=retired),
        holds_secret=True,
    )
