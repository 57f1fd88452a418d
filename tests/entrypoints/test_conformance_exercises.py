"""What receivers are sent, judged by the library that partners use."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from adapters.system import SystemClock
from application.deliver_webhooks import MOST_TOGETHER
from application.json_text import render
from domain.webhook_signature import compose_secret
from entrypoints.conformance.exercises import Exercise, exercises
from entrypoints.conformance.letters import Correspondent, Delivery
from entrypoints.http.limits import MAX_BODY_BYTES
from entrypoints.http.wire.orders import OrderIn
from tests.fakes import FakeIds

SECRET = compose_secret(bytes(range(32)))


def made() -> dict[str, Exercise]:
    """Of now: what is good is old after five minutes."""
    correspondent = Correspondent(SECRET, ids=FakeIds(), clock=SystemClock())
    return {each.scenario: each for each in exercises(correspondent)}


SCENARIOS = tuple(made())


def is_believed(delivery: Delivery) -> bool:
    try:
        Webhook(SECRET).verify(delivery.body, dict(delivery.headers))
    except Exception:  # whatever it makes of a bad header
        return False
    return True


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_reference_library_believes_what_is_good_and_nothing_else(scenario: str) -> None:
    exercise = made()[scenario]
    for delivery in exercise.deliveries:
        assert is_believed(delivery) is delivery.is_good
        assert exercise.advice.endswith(".")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_is_good_is_an_event_as_harbor_writes_it(scenario: str) -> None:
    for delivery in made()[scenario].deliveries:
        event = json.loads(delivery.body)
        assert {"id", "type", "timestamp", "sequence", "data"} <= set(event)
        assert event["id"] in delivery.ids
        if delivery.is_good:
            assert delivery.ids == {delivery.headers["webhook-id"]}


def test_duplicates_are_the_same_bytes_under_the_same_id() -> None:
    all_made = made()
    (first,), (again,) = (all_made[name].deliveries for name in ("good", "duplicate"))
    assert (first.body, first.ids) == (again.body, again.ids)
    twins = all_made["duplicates_at_once"]
    assert len({(each.body, each.ids) for each in twins.deliveries}) == 1
    assert twins.at_once


def test_many_at_once_are_as_many_as_harbor_sends_of_different_events() -> None:
    many = made()["many_at_once"]
    assert len({each.ids for each in many.deliveries}) == len(many.deliveries) == MOST_TOGETHER
    assert many.at_once


def test_what_is_reordered_is_of_one_order_the_newer_first() -> None:
    newer, older = [json.loads(each.body) for each in made()["reordered"].deliveries]
    orders = [each["data"]["order"] for each in (newer, older)]
    assert orders[0]["id"] == orders[1]["id"]
    assert [order["version"] for order in orders] == [3, 2]
    assert newer["sequence"] > older["sequence"]


def test_what_is_late_happened_days_ago_and_is_signed_now() -> None:
    (late,) = made()["late"].deliveries
    happened = datetime.fromisoformat(json.loads(late.body)["timestamp"])
    assert datetime.now(UTC) - happened > timedelta(days=2)


def test_what_is_large_comes_of_the_largest_request_that_harbor_takes() -> None:
    (large,) = made()["large"].deliveries
    order = json.loads(large.body)["data"]["order"]
    given = {name: order[name] for name in OrderIn.model_fields if order[name] is not None}
    del given["capture_method"]  # which may be left out
    assert len(render(given)) == MAX_BODY_BYTES < len(large.body)
    OrderIn.model_validate(given)
