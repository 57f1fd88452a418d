"""Errors (RFC 9457), and what a health check answers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema
from typing_extensions import TypeAliasType

from entrypoints.http.problems import KINDS
from entrypoints.http.wire.base import OPEN, Out, Sparse

ProblemCode = TypeAliasType(
    "ProblemCode",
    Annotated[
        str,
        WithJsonSchema(
            {
                "type": "string",
                "enum": sorted(KINDS),
                "description": "Stable, for programs. More may come: treat one that you do not"
                " know by the status of the response.",
                "examples": ["validation_failed"],
            }
            | OPEN
        ),
    ],
)


class ProblemErrorOut(Out):
    """One thing that is wrong with the input."""

    pointer: str = Field(
        description="JSON Pointer into the body, or /query/name, /path/name.",
        examples=["/amount_cents"],
    )
    code: str = Field(
        description="Stable, for programs; more may come.", examples=["greater_than_equal"]
    )
    detail: str = Field(
        description="For people.", examples=["Input should be greater than or equal to 1"]
    )


class ProblemOut(Sparse):
    """Why a request was refused, or could not be carried out (RFC 9457). Decide by `code`."""

    type: str = Field(
        description="A URN that names the code.", examples=["urn:harbor:problem:validation_failed"]
    )
    title: str = Field(
        description="What the code means, for people.", examples=["The request breaks a rule"]
    )
    status: int = Field(
        ge=400, le=599, description="The status code of the response.", examples=[422]
    )
    detail: str = Field(
        description="What is wrong here and what to do, for people.",
        examples=["One member is not valid: see `errors`."],
    )
    instance: str = Field(
        description="A URN that names the request.", examples=["urn:harbor:request:abc-123"]
    )
    code: ProblemCode
    request_id: str = Field(description="Name it when you ask for help.", examples=["abc-123"])
    errors: list[ProblemErrorOut] | SkipJsonSchema[None] = Field(
        None, description="Only for invalid input: everything that is wrong with it."
    )
    resource_id: UUID | SkipJsonSchema[None] = Field(
        None,
        description="Only where the idempotency key made something: its id.",
        examples=["019aa6f2-2b6e-7c1a-9d52-7a0d1b1c2d3e"],
    )


class HealthOut(Out):
    """The process lives."""

    status: Literal["ok"] = Field(description="Always the same.")


class ReadinessOut(Out):
    """The service can take orders."""

    status: Literal["ready"] = Field(description="Always the same.")
