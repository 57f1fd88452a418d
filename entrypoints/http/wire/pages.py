"""Pages of lists."""

from pydantic import ConfigDict, Field

from entrypoints.http.wire.base import Digits, In, Out


class PageQuery(In):
    """Which page of a list."""

    model_config = ConfigDict(strict=False)

    limit: Digits = Field(25, ge=1, le=100, description="How many at the most.", examples=[25])
    cursor: str | None = Field(
        None,
        description="`next_cursor` of the page before; leave it out for the first page.",
        examples=["AAZDp9QcWVYBmqby"],
    )


class PageOut(Out):
    """A page of a list."""

    has_more: bool = Field(description="Whether there is a next page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to go on; null where there is no more.",
        examples=["AAZDp9QcWVYBmqby"],
    )
