"""The one public JSON document of an event, as the feed shows it."""

from datetime import datetime
from uuid import UUID

from application.json_text import rfc3339


def event_text(
    *,
    event_id: UUID,
    event_type: str,
    sequence: int,
    occurred_at: datetime,
    order_version: int | None,
    document: str,
) -> str:
    """JSON without white space; `document` is that of the order as the change left it, or of the
    webhook endpoint, which has no versions."""
    version = "null" if order_version is None else order_version
    return (
        f'{{"id":"{event_id}"'
        f',"type":"{event_type}"'
        f',"sequence":{sequence}'
        f',"timestamp":"{rfc3339(occurred_at)}"'
        f',"order_version":{version}'
        f',"data":{data_text(document, about_order=order_version is not None)}}}'
    )


def data_text(document: str, *, about_order: bool) -> str:
    return f'{{"{"order" if about_order else "webhook_endpoint"}":{document}}}'


def event_body(
    *,
    event_id: UUID,
    event_type: str,
    sequence: int,
    occurred_at: datetime,
    data: str,
) -> bytes:
    """What a webhook carries. It is made of what is kept of the event, each time anew: these bytes
    are for ever, for an attempt that is repeated repeats them."""
    return (
        f'{{"id":"{event_id}"'
        f',"type":"{event_type}"'
        f',"timestamp":"{rfc3339(occurred_at)}"'
        f',"sequence":{sequence}'
        f',"data":{data}}}'
    ).encode()
