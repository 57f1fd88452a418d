"""The bytes of a webhook, which an attempt that is repeated next year has to repeat."""

import json
from datetime import UTC, datetime
from uuid import UUID

from application.event_document import data_text, event_body, event_text

ID = UUID("019aa5f0-0000-7000-8000-00000000002a")
AT = datetime(2026, 11, 21, 2, 17, 39, 120, tzinfo=UTC)
ORDER = '{"id":"019aa5f0-0000-7000-8000-000000000001","description":"Ä\\n\\u2028"}'


def test_the_bytes_of_a_body_are_these_for_ever() -> None:
    body = event_body(
        event_id=ID,
        event_type="order.paid",
        sequence=42,
        occurred_at=AT,
        data=data_text(ORDER, about_order=True),
    )
    assert (
        body
        == (
            '{"id":"019aa5f0-0000-7000-8000-00000000002a","type":"order.paid",'
            '"timestamp":"2026-11-21T02:17:39.000120Z","sequence":42,"data":{"order":'
            '{"id":"019aa5f0-0000-7000-8000-000000000001","description":"Ä\\n\\u2028"}}}'
        ).encode()
    )


def test_a_body_about_an_endpoint_names_it() -> None:
    data = data_text('{"id":"1"}', about_order=False)
    body = event_body(
        event_id=ID, event_type="webhook_endpoint.test", sequence=1, occurred_at=AT, data=data
    )
    assert json.loads(body)["data"] == {"webhook_endpoint": {"id": "1"}}


def test_the_feed_says_the_same_and_the_version() -> None:
    text = event_text(
        event_id=ID,
        event_type="order.paid",
        sequence=42,
        occurred_at=AT,
        order_version=3,
        document=ORDER,
    )
    body = event_body(
        event_id=ID,
        event_type="order.paid",
        sequence=42,
        occurred_at=AT,
        data=data_text(ORDER, about_order=True),
    )
    assert json.loads(text) == json.loads(body) | {"order_version": 3}
