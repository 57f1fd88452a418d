"""What a partner's receiver is put through, in this order."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from application.deliver_webhooks import MOST_TOGETHER
from application.event_document import data_text
from application.json_text import json_text
from domain.event import EventType
from entrypoints.conformance.letters import Correspondent, Delivery, Event

_LATE: Final = timedelta(days=3)
_TOO_OLD: Final = timedelta(minutes=6)
_OTHER_VERSIONS: Final = "v1a,bm9uZSBvZiB5b3Vycw== v2,bm9uZSBvZiB5b3Vycw=="
# JSON that is read and written again comes out otherwise in most languages.
_AWKWARD: Final = 'Größe "M" </b> & 100 % \N{N-ARY SUMMATION} \N{GRINNING FACE} \u2028 a/b'
_AWKWARD_METADATA: Final = {"10": "ten", "9": "nine", "é": "&<>"}
_BAD_TIMESTAMPS: Final = ("", "yesterday", "1e9")
_BAD_SIGNATURES: Final = ("", "v1", "v1,", "none", "v1,not base64!")

_RAW: Final = (
    "Verify the bytes of the body as they came: what was parsed and written again has another"
    " signature."
)
_VERIFY: Final = (
    "Verify the signature over webhook-id, webhook-timestamp and body; else answer 400."
)
_DROP: Final = "Drop what you have seen, by webhook-id, and answer 2xx: else it comes for days."
_TOLERANCE: Final = (
    "Refuse a webhook-timestamp that is more than five minutes from your clock: what was listened"
    " to could be sent again."
)
_EITHER: Final = "While a secret is replaced there are two signatures: try each, accept either."
_NEW_TYPES: Final = "Answer 2xx to types that you do not know: there will be new ones."


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """Deliveries that are sent one after the other, or all `at_once`; `advice` is for who answers
    otherwise than he should. Where `one_is_enough`, the others may be answered as they like. What
    a receiver `may_pass_over`, it accepts but need not process."""

    scenario: str
    deliveries: tuple[Delivery, ...]
    advice: str
    at_once: bool = False
    one_is_enough: bool = False
    may_pass_over: bool = False


def exercises(by: Correspondent) -> Iterator[Exercise]:
    """Each is signed when it is asked for: it has to be sent before it is old."""
    yield from _everyday(by)
    yield from _rotating(by)
    yield from _unusual(by)
    yield from _forged(by)
    yield from _out_of_time(by)
    event = by.paid()
    yield Exercise(
        scenario="forged_then_good",
        deliveries=(by.delivery(event, by.unknown_secret), by.delivery(event)),
        advice="Remember an id only when its signature was good: else a forger keeps events from"
        " you.",
    )


def _everyday(by: Correspondent) -> Iterator[Exercise]:
    event = by.paid()
    yield Exercise(
        scenario="good",
        deliveries=(by.delivery(event),),
        advice=f"Answer 2xx to what is signed with your secret. {_RAW}",
    )
    yield Exercise(scenario="duplicate", deliveries=(by.delivery(event),), advice=_DROP)
    twin = by.paid()
    yield Exercise(
        scenario="duplicates_at_once",
        deliveries=tuple(by.delivery(twin) for _ in range(4)),
        advice="Accept one of them at least.",
        at_once=True,
        one_is_enough=True,
    )
    earlier, later = _in_order(by)
    yield Exercise(
        scenario="reordered",
        deliveries=(by.delivery(later), by.delivery(earlier)),
        advice="Answer 2xx also to what is older than what you know; you may pass over it.",
        may_pass_over=True,
    )
    yield Exercise(
        scenario="late",
        deliveries=(by.delivery(by.paid(age=_LATE)),),
        advice="Judge the age by webhook-timestamp, which is that of the attempt: what happened"
        " three days ago may come now.",
    )
    yield Exercise(
        scenario="many_at_once",
        deliveries=tuple(by.delivery(by.paid()) for _ in range(MOST_TOGETHER)),
        advice=f"There may be {MOST_TOGETHER} requests at once: write down, answer, and work"
        " afterwards.",
        at_once=True,
    )


def _in_order(by: Correspondent) -> tuple[Event, Event]:
    """Two events of one order."""
    processing = by.order(EventType.ORDER_PROCESSING)
    paid = processing.replace('"processing"', '"paid"').replace('"version":2', '"version":3')
    earlier = by.event(EventType.ORDER_PROCESSING, data_text(processing, about_order=True))
    return earlier, by.paid(paid)


def _rotating(by: Correspondent) -> Iterator[Exercise]:
    yield Exercise(
        scenario="two_signatures",
        deliveries=(by.delivery(by.paid(), by.secret, by.unknown_secret),),
        advice=_EITHER,
    )
    yield Exercise(
        scenario="two_signatures_yours_last",
        deliveries=(by.delivery(by.paid(), by.unknown_secret, by.secret),),
        advice=_EITHER,
    )
    delivery = by.delivery(by.paid())
    signatures = f"{_OTHER_VERSIONS} {delivery.headers['webhook-signature']}"
    yield Exercise(
        scenario="other_versions",
        deliveries=(
            replace(delivery, headers={**delivery.headers, "webhook-signature": signatures}),
        ),
        advice="Pass over signatures that do not begin with v1, and try the others.",
    )


def _unusual(by: Correspondent) -> Iterator[Exercise]:
    order = data_text(by.order(), about_order=True)
    yield Exercise(
        scenario="unknown_type",
        deliveries=(by.delivery(by.event("order.reconsidered", order)),),
        advice=_NEW_TYPES,
        may_pass_over=True,
    )
    wider = by.paid(f'{by.order()[:-1]},"channel":"web"}}')
    wider = replace(wider, body=wider.body[:-1] + b',"region":"eu"}')
    yield Exercise(
        scenario="unknown_member",
        deliveries=(by.delivery(wider),),
        advice="Pass over members that you do not know: there will be new ones.",
    )
    endpoint = json_text({"id": by.new_id(), "status": "enabled", "disabled_reason": None})
    test = by.event(EventType.ENDPOINT_TEST, data_text(endpoint, about_order=False))
    yield Exercise(
        scenario="no_order",
        deliveries=(by.delivery(test),),
        advice="What happens to the endpoint itself has no data.order: answer 2xx to it.",
        may_pass_over=True,
    )
    awkward = by.order(description=_AWKWARD, metadata=_AWKWARD_METADATA)
    yield Exercise(scenario="exact_bytes", deliveries=(by.delivery(by.paid(awkward)),), advice=_RAW)
    yield Exercise(
        scenario="large",
        deliveries=(by.delivery(by.paid(by.largest_order())),),
        advice="An event may have over 64 kB: take bodies of 128 kB at least.",
    )


def _forged(by: Correspondent) -> Iterator[Exercise]:
    tampered = by.delivery(by.paid())
    body = tampered.body.replace(b'"amount_cents":1999', b'"amount_cents":9999')
    yield _refused("tampered_body", tampered.forged(body=body))
    yield _refused("tampered_id", by.delivery(by.paid()).forged(webhook_id=by.new_id()))
    yield _refused("unknown_secret", by.delivery(by.paid(), by.unknown_secret))
    yield _refused("no_id", by.delivery(by.paid()).forged(webhook_id=None))
    yield _refused("no_timestamp", by.delivery(by.paid()).forged(webhook_timestamp=None))
    yield _refused("no_signature", by.delivery(by.paid()).forged(webhook_signature=None))
    yield _refused(
        "bad_timestamp",
        *[by.delivery(by.paid()).forged(webhook_timestamp=each) for each in _BAD_TIMESTAMPS],
    )
    yield _refused(
        "bad_signature",
        *[by.delivery(by.paid()).forged(webhook_signature=each) for each in _BAD_SIGNATURES],
    )


def _out_of_time(by: Correspondent) -> Iterator[Exercise]:
    old = by.delivery(by.paid(), age=_TOO_OLD)
    yield _refused("old_timestamp", old, advice=_TOLERANCE)
    yield _refused("future_timestamp", by.delivery(by.paid(), age=-_TOO_OLD), advice=_TOLERANCE)
    dated = by.delivery(by.paid(), age=_TOO_OLD).forged(webhook_timestamp=by.now())
    yield _refused("tampered_timestamp", dated)


def _refused(scenario: str, *deliveries: Delivery, advice: str = _VERIFY) -> Exercise:
    return Exercise(scenario=scenario, deliveries=deliveries, advice=advice)
