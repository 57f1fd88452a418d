"""Ids in paths. One that is no UUID answers as an unknown one does, so they are read as text."""

from typing import Annotated, Any, Final

from fastapi import Path

_UUID: Final[dict[str, Any]] = {"format": "uuid"}
_EXAMPLE: Final = "019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"
VISIBLE_ASCII: Final = "^[!-~]+$"

OrderPath = Annotated[
    str, Path(description="The order's id.", examples=[_EXAMPLE], json_schema_extra=_UUID)
]
RefundPath = Annotated[
    str, Path(description="The refund's id.", examples=[_EXAMPLE], json_schema_extra=_UUID)
]
EndpointPath = Annotated[
    str,
    Path(description="The webhook endpoint's id.", examples=[_EXAMPLE], json_schema_extra=_UUID),
]
DeliveryPath = Annotated[
    str,
    Path(description="The webhook delivery's id.", examples=[_EXAMPLE], json_schema_extra=_UUID),
]
ApiKeyPath = Annotated[
    str, Path(description="The API key's id.", examples=[_EXAMPLE], json_schema_extra=_UUID)
]
IdempotencyKeyPath = Annotated[
    str,
    Path(
        description="The idempotency key, percent-encoded.",
        examples=["7f3c1b1e-5a55-4f0b-9f57-0d2f2a3a9c11"],
        json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": VISIBLE_ASCII},
    ),
]
