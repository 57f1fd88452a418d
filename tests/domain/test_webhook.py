"""Webhook endpoints and deliveries: when they are tried, and when no more."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.delivery import Delivery, DeliveryAttempt, DeliveryState, judge
from domain.event import EventType
from domain.webhook import (
    FAILING_FOR,
    PAUSES,
    SECRETS_OVERLAP,
    DisabledReason,
    EndpointStatus,
    WebhookEndpoint,
    pause_after,
)
from tests.examples import ids
from tests.fakes import NOW

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

DELIVERY = Delivery(
    id=ids.new(),
    merchant_id=ids.new(),
    endpoint_id=ids.new(),
    event_id=ids.new(),
    event_type=EventType.ORDER_PAID,
    sequence=1,
    due_at=NOW,
    created_at=NOW,
    updated_at=NOW,
)
ENDPOINT = WebhookEndpoint(
    id=ids.new(),
    merchant_id=ids.new(),
    url="https://partner.example/",
    event_types=None,
    description=None,
    secret=b"first",
    created_at=NOW,
    updated_at=NOW,
)


def an_attempt(status: int | None, problem: str | None = None) -> DeliveryAttempt:
    return DeliveryAttempt(
        delivery_id=DELIVERY.id,
        merchant_id=DELIVERY.merchant_id,
        number=1,
        started_at=NOW,
        latency=SECOND,
        status=status,
        problem=problem,
        excerpt="",
    )


def test_the_schedule_is_the_contracts() -> None:
    seconds = [pause.total_seconds() for pause in PAUSES]
    hours = [2, 5, 10, 14, 20, 24]
    assert seconds == [5, 300, 1800, *(3600 * hour for hour in hours)]


@given(st.integers(1, len(PAUSES)), st.floats(0, 1))
def test_a_pause_is_a_fifth_more_or_less(failures: int, jitter: float) -> None:
    pause = pause_after(failures, jitter=jitter, asked_for=None)
    assert pause is not None
    assert 0.8 <= pause / PAUSES[failures - 1] <= 1.2 + 1e-9


@pytest.mark.parametrize(
    ("asked_for", "pause"),
    [(SECOND, 5 * SECOND), (HOUR, HOUR), (7 * HOUR, 6 * HOUR), (None, 5 * SECOND)],
)
def test_what_a_receiver_asks_for_is_heeded_within_reason(
    asked_for: timedelta | None, pause: timedelta
) -> None:
    assert pause_after(1, jitter=0.5, asked_for=asked_for) == pause


def test_after_the_last_attempt_a_delivery_is_held() -> None:
    delivery = DELIVERY
    for number in range(len(PAUSES)):
        delivery = delivery.fail(NOW, jitter=0.5, asked_for=None)
        assert delivery.state is DeliveryState.PENDING
        assert delivery.due_at == NOW + PAUSES[number]
    delivery = delivery.fail(NOW, jitter=0.5, asked_for=None)
    assert (delivery.state, delivery.attempts) == (DeliveryState.HELD, 10)
    again = delivery.ask_again(NOW + HOUR)
    assert (again.state, again.due_at) == (DeliveryState.PENDING, NOW + HOUR)
    # From the beginning of the schedule; the attempts go on counting.
    failed = again.fail(NOW + HOUR, jitter=0.5, asked_for=None)
    assert (failed.due_at, failed.attempts) == (NOW + HOUR + PAUSES[0], 11)


@pytest.mark.parametrize(
    ("status", "succeeds"),
    [(200, True), (204, True), (299, True), (199, False), (300, False), (302, False), (500, False)],
)
def test_only_2xx_is_a_success(status: int, succeeds: bool) -> None:
    assert an_attempt(status).succeeded is succeeds
    assert not an_attempt(None, "timeout").succeeded


def test_an_endpoint_that_is_gone_is_disabled_at_once() -> None:
    judged = judge(ENDPOINT, [an_attempt(204), an_attempt(410)], NOW)
    assert (judged.status, judged.disabled_reason) == (
        EndpointStatus.DISABLED,
        DisabledReason.GONE,
    )


def test_an_endpoint_that_fails_for_120_hours_is_disabled_and_not_sooner() -> None:
    failing = judge(ENDPOINT, [an_attempt(500)], NOW)
    assert (failing.failing_since, failing.is_enabled) == (NOW, True)
    almost = judge(failing, [an_attempt(None, "timeout")], NOW + FAILING_FOR - SECOND)
    assert (almost.failing_since, almost.is_enabled) == (NOW, True)
    at_last = judge(almost, [an_attempt(500)], NOW + FAILING_FOR)
    assert at_last.disabled_reason is DisabledReason.FAILING
    enabled = at_last.enable(NOW + FAILING_FOR)
    assert (enabled.is_enabled, enabled.failing_since, enabled.disabled_reason) == (
        True,
        None,
        None,
    )


def test_a_turn_in_which_nothing_was_tried_disables_nothing() -> None:
    failing = judge(ENDPOINT, [an_attempt(500)], NOW)
    assert judge(failing, [], NOW + FAILING_FOR) == failing


def test_one_success_forgets_all_failures() -> None:
    failing = judge(ENDPOINT, [an_attempt(500)], NOW)
    recovered = judge(failing, [an_attempt(500), an_attempt(200)], NOW + FAILING_FOR)
    assert (recovered.failing_since, recovered.is_enabled) == (None, True)


def test_both_secrets_sign_for_a_day_after_a_rotation() -> None:
    rotated = ENDPOINT.rotate(b"second", NOW)
    assert rotated.secrets(NOW) == (b"second", b"first")
    assert rotated.secrets(NOW + SECRETS_OVERLAP - SECOND) == (b"second", b"first")
    assert rotated.secrets(NOW + SECRETS_OVERLAP) == (b"second",)
    # The one before the last signs no longer, however soon the next rotation comes.
    assert rotated.rotate(b"third", NOW).secrets(NOW) == (b"third", b"second")


def test_an_endpoint_wants_what_it_asked_for_while_it_is_enabled() -> None:
    some = replace(ENDPOINT, event_types=frozenset({EventType.ORDER_PAID}))
    assert some.wants(EventType.ORDER_PAID)
    assert not some.wants(EventType.ORDER_FAILED)
    assert all(ENDPOINT.wants(each) for each in EventType)
    disabled = ENDPOINT.disable(DisabledReason.REQUESTED, NOW)
    assert not any(disabled.wants(each) for each in EventType)
    assert disabled.disable(DisabledReason.GONE, NOW) is disabled
