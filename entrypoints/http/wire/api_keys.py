"""API keys, and what became of an idempotency key."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import Field
from typing_extensions import TypeAliasType

from application.new_api_key import ApiKeyRequest
from domain import merchant as domain
from domain.merchant import MAX_NAME_LENGTH
from entrypoints.http.wire.base import OPEN, PRINTABLE, CreatedAt, Id, In, MomentIn, Out
from entrypoints.http.wire.orders import OrderOut
from entrypoints.http.wire.pages import PageOut

MAX_OVERLAP_SECONDS: Final = 7 * 86_400

Scope = TypeAliasType(
    "Scope",
    Annotated[
        Literal["orders:read", "orders:write", "webhooks:manage", "events:read", "keys:manage"],
        Field(
            description="What an API key may do. More may come.",
            examples=["orders:read"],
            json_schema_extra=OPEN,
        ),
    ],
)
IdempotencyKeyState = TypeAliasType(
    "IdempotencyKeyState",
    Annotated[
        Literal["never_seen", "in_progress", "completed", "expired"],
        Field(
            description="`never_seen`: nothing was done with it. `in_progress`: ask again."
            " `completed`: a repeat gives the first answer. `expired`: it was carried out, and its"
            " answer is no longer kept.",
            examples=["completed"],
        ),
    ],
)
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_NAME_LENGTH,
        pattern=PRINTABLE,
        description="For people.",
        examples=["Billing"],
    ),
]


class ApiKeyIn(In):
    """An API key to issue."""

    name: Name | None = None
    scopes: list[Scope] = Field(
        min_length=1,
        max_length=len(domain.Scope),
        description="What the key may do.",
        examples=[["orders:read", "orders:write"]],
    )
    expires_at: MomentIn | None = Field(
        None, description="RFC 3339; null means never.", examples=["2027-11-21T10:00:00Z"]
    )

    def to_request(self) -> ApiKeyRequest:
        return ApiKeyRequest(
            name=self.name,
            scopes=frozenset(domain.Scope(scope) for scope in self.scopes),
            expires_at=self.expires_at,
        )


class RotateApiKeyIn(In):
    """How an API key is to be replaced."""

    overlap_seconds: int = Field(
        86_400,
        ge=0,
        le=MAX_OVERLAP_SECONDS,
        description="How many seconds the old key works on: 86,400 (a day) if left out, and 0 ends"
        " it at once.",
        examples=[3600],
    )


class ApiKeyOut(Out):
    """An API key, without its secret."""

    id: Id
    name: Name | None
    prefix: str = Field(
        description="The public beginning of the key.", examples=["hk_test_4fT9aQ2z"]
    )
    scopes: list[Scope] = Field(description="What the key may do.")
    created_at: CreatedAt
    expires_at: datetime | None = Field(
        description="When it ends, UTC; null means never.",
        examples=["2027-11-21T10:00:00.000000Z"],
    )
    revoked_at: datetime | None = Field(
        description="When it was revoked, UTC; null where it was not.",
        examples=["2026-12-24T18:00:00.123456Z"],
    )
    last_used_at: datetime | None = Field(
        description="When it was last used, UTC, to within a minute; null where it never was.",
        examples=["2026-11-21T10:00:00.123456Z"],
    )
    replaced_by: UUID | None = Field(
        description="The id of the key that a rotation made of it; null where there was none.",
        examples=["019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"],
    )


class ApiKeyWithSecretOut(ApiKeyOut):
    """An API key with its secret, which is shown this once."""

    api_key: str = Field(
        description="The secret. It is not kept here: store it now.",
        examples=["hk_test_4fT9aQ2z7pK1mN8xR5vB3cJ6wL0yD2sF9hG4tU7eA1qZ"],
    )


class ApiKeyList(PageOut):
    """A page of API keys, newest first."""

    data: list[ApiKeyOut]


class IdempotencyKeyOut(Out):
    """What became of an idempotency key."""

    key: str = Field(
        description="The key you asked about, without quotes around it.",
        examples=["7f3c1b1e-5a55-4f0b-9f57-0d2f2a3a9c11"],
    )
    state: IdempotencyKeyState
    route: str | None = Field(
        description="Method and path it was used on; null where it was not.",
        examples=["POST /v1/orders"],
    )
    resource_id: UUID | None = Field(
        description="The id of what it made; null where that is nothing, or not known yet.",
        examples=["019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"],
    )
    order: OrderOut | None = Field(
        description="The order it made, as it is now; null where it made none."
    )
    created_at: datetime | None = Field(
        description="When it was first used, UTC; null where it was not.",
        examples=["2026-11-21T10:00:00.123456Z"],
    )
    expires_at: datetime | None = Field(
        description="Until when the first answer is replayed, UTC; null where there is none.",
        examples=["2026-12-21T10:00:00.123456Z"],
    )
