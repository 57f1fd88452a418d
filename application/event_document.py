"""The one public JSON document of an event, as the feed shows it."""

from datetime import datetime
from uuid import UUID

from application.json_text import rfc3339


def event_text(
    *,
    id: UUID,  # noqa: A002 - as the document names it
    type: str,  # noqa: A002
    sequence: int,
    occurred_at: datetime,
    order_version: int,
    order_json: str,
) -> str:
    """JSON without white space; `order_json` is the order's document as the change left it."""
    return (
        f'{{"id":"{id}"'
        f',"type":"{type}"'
        f',"sequence":{sequence}'
        f',"timestamp":"{rfc3339(occurred_at)}"'
        f',"order_version":{order_version}'
        f',"data":{{"order":{order_json}}}}}'
    )


def event_body(
    *,
    id: UUID,  # noqa: A002 - as the document names it
    type: str,  # noqa: A002
    sequence: int,
    occurred_at: datetime,
    data: str,
) -> bytes:
    """What a webhook carries. It is made of what is kept of the event, each time anew: these bytes
    are for ever, for an attempt that is repeated repeats them."""
    return (
        f'{{"id":"{id}"'
        f',"type":"{type}"'
        f',"timestamp":"{rfc3339(occurred_at)}"'
        f',"sequence":{sequence}'
        f',"data":{data}}}'
    ).encode()
