"""What the kit makes of attempts, to the moment."""

from datetime import timedelta
from typing import Any

import pytest

from entrypoints.conformance.attempts import MOST_KEPT, Attempt, Desk
from entrypoints.conformance.client_judge import MOST_REQUESTS, judge
from entrypoints.conformance.report import Result
from entrypoints.conformance.scenarios import OUTAGE_SECONDS, SCENARIOS, Scenario, assign
from tests.fakes import FakeClock

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def an_attempt(came_at: float = 0.0, **changes: Any) -> Attempt:
    ordinary: dict[str, Any] = {
        "invoice": "A",
        "key": "k",
        "digest": b"d",
        "came_at": came_at,
        "ended_at": came_at + 0.01,
        "met_fault": False,
        "status": 201,
        "code": None,
        "retry_after": None,
    }
    return Attempt(**{**ordinary, **changes})


def results(
    scenario: str, *attempts: Attempt, orders: int = 1, found: bool = False
) -> dict[str, Result]:
    """What each check says of one invoice."""
    told = {"A"} if found else set[str]()
    cases = judge({"A": BY_NAME[scenario]}, {"A": attempts}, {"A": orders}, told, {})
    return {case.check: case.result for case in cases if case.scenario == scenario}


def failing(scenario: str, *attempts: Attempt, orders: int = 1) -> set[str]:
    found = results(scenario, *attempts, orders=orders)
    return {check for check, result in found.items() if result is Result.FAILED}


def limited(came_at: float = 0.0) -> Attempt:
    return an_attempt(came_at, met_fault=True, status=429, retry_after=2)


@pytest.mark.parametrize(("pause", "is_early"), [(1.85, True), (1.95, False), (2.5, False)])
def test_who_comes_back_too_early_has_not_waited(pause: float, is_early: bool) -> None:
    first = limited()
    again = an_attempt(first.ended_at + pause)
    assert failing("rate_limited", first, again) == ({"waited"} if is_early else set())


def test_what_was_under_way_already_is_no_return() -> None:
    beside = an_attempt(0.005, ended_at=0.5)
    found = results("rate_limited", limited(), beside)
    assert found["waited"] is Result.SKIPPED
    assert found["stopped"] is Result.PASSED


def test_each_of_two_that_were_under_way_together_may_come_back_in_its_time() -> None:
    """As when a queue delivers a message twice."""
    first = limited()
    beside = an_attempt(0.005, status=409, retry_after=1)
    again = an_attempt(1.1, status=200), an_attempt(2.1, status=200)
    assert failing("rate_limited", first, beside, *again) == set()
    assert failing("rate_limited", first, an_attempt(0.005), again[1]) == set()
    hasty = an_attempt(0.5, status=503), an_attempt(0.6)
    assert failing("rate_limited", first, beside, *hasty) == {"waited"}
    assert failing("rate_limited", first, beside, *again, an_attempt(2.2)) == {"stopped"}


@pytest.mark.parametrize(
    ("status", "is_final"),
    [
        *((status, True) for status in (200, 201, 400, 401, 403, 404, 413, 422)),
        *((status, False) for status in (408, 409, 425, 429, 500, 502, 503, None)),
    ],
)
def test_an_answer_is_final_or_asks_to_come_again(status: int | None, is_final: bool) -> None:
    attempts = (an_attempt(0, status=status), an_attempt(1, status=status))
    assert ("stopped" in failing("clean", *attempts)) is is_final


def test_the_most_requests_are_calm_and_one_more_is_not() -> None:
    cut = [an_attempt(n, met_fault=True, status=None) for n in range(MOST_REQUESTS - 1)]
    assert failing("outage", *cut, an_attempt(20)) == set()
    assert failing("outage", *cut, an_attempt(20, status=503), an_attempt(21)) == {"calm"}


def test_a_refusal_that_is_none_of_the_kits_is_said_to_be_so() -> None:
    found = results("lost_answer", an_attempt(status=422), orders=0)
    assert found["one_order"] is Result.FAILED
    assert found["retried"] is Result.SKIPPED


def test_who_asks_what_became_of_the_key_need_not_come_back() -> None:
    found = results("lost_answer", an_attempt(met_fault=True, status=None), found=True)
    assert set(found.values()) == {Result.PASSED}


def test_who_mends_what_harbor_itself_refuses_is_right() -> None:
    mistaken = an_attempt(digest=b"0", status=422, code="validation_failed")
    lost = an_attempt(1, met_fault=True, status=None)
    found = results("lost_answer", mistaken, lost, an_attempt(2, status=200))
    assert set(found.values()) == {Result.PASSED}


def test_who_sends_another_body_instead_of_the_first_is_not() -> None:
    lost = an_attempt(met_fault=True, status=None)
    reused = an_attempt(1, digest=b"other", status=422, code="idempotency_key_reused")
    assert failing("lost_answer", lost, reused, an_attempt(2, status=200)) == {"same_body"}


def test_who_sends_again_what_was_refused_has_not_stopped() -> None:
    first, *more = [an_attempt(number, digest=b"0", status=422) for number in range(3)]
    assert failing("clean", first, *more, orders=0) == {"one_order", "stopped"}
    mended = an_attempt(9, digest=b"1", status=422)
    assert failing("clean", first, mended, orders=0) == {"one_order"}


def test_an_order_that_was_refused_must_not_be_there() -> None:
    refused = an_attempt(met_fault=True, status=422)
    assert failing("refused", refused, orders=0) == set()
    assert failing("refused", refused, orders=1) == {"one_order"}


def test_one_invoice_that_is_wrong_fails_its_scenario() -> None:
    plan = assign([BY_NAME["clean"]], orders=5, prefix="A", seed=None)
    attempts = {invoice: (an_attempt(invoice=invoice, key=invoice),) for invoice in plan}
    orders = dict.fromkeys(plan, 1) | {"A-3": 2}
    (case,) = [each for each in judge(plan, attempts, orders, (), {}) if each.check == "one_order"]
    assert case.result is Result.FAILED
    assert case.verdict.detail == "A-3: there are 2 orders."


def test_a_seed_shuffles_the_same_way_each_time() -> None:
    def names(seed: int | None) -> list[str]:
        plan = assign(SCENARIOS, orders=30, prefix="A", seed=seed)
        return [scenario.name for scenario in plan.values()]

    assert names(1) == names(1) != names(2)
    assert sorted(names(1)) == sorted(names(None))
    assert names(None)[: len(SCENARIOS)] == [scenario.name for scenario in SCENARIOS]


def a_desk(scenario: Scenario) -> tuple[Desk, FakeClock]:
    clock = FakeClock()
    return Desk({"A": scenario}, clock.monotonic), clock


def test_faults_meet_the_first_or_all_for_a_while_or_all() -> None:
    desk, clock = a_desk(BY_NAME["lost_answer"])
    assert [desk.meets_fault("A") for _ in range(3)] == [True, False, False]
    desk, clock = a_desk(BY_NAME["outage"])
    assert [desk.meets_fault("A") for _ in range(3)] == [True, True, True]
    clock.advance(timedelta(seconds=OUTAGE_SECONDS))
    assert not desk.meets_fault("A")
    desk, clock = a_desk(BY_NAME["refused"])
    assert [desk.meets_fault("A") for _ in range(3)] == [True, True, True]


def test_who_meets_no_fault_leaves_it_to_the_next() -> None:
    desk, _ = a_desk(BY_NAME["lost_answer"])
    assert desk.meets_fault("A")
    desk.keep_fault("A")
    assert [desk.meets_fault("A") for _ in range(2)] == [True, False]


def test_harbors_own_refusal_may_be_mended_and_is_waited_after() -> None:
    desk, _ = a_desk(BY_NAME["refused"])
    desk.record(an_attempt(status=422))
    assert not desk.all_answered.is_set()
    desk.record(an_attempt(1, status=422, met_fault=True))
    assert desk.all_answered.is_set()


def test_who_has_found_the_order_is_waited_for_no_longer() -> None:
    desk, _ = a_desk(BY_NAME["lost_answer"])
    desk.note_found("A")
    assert desk.all_answered.is_set()


def test_a_desk_keeps_so_many_attempts_and_sees_the_answer_behind_them() -> None:
    desk, _ = a_desk(BY_NAME["outage"])
    for number in range(MOST_KEPT + 5):
        desk.record(an_attempt(number, status=None))
    assert len(desk.attempts("A")) == MOST_KEPT + 1
    assert not desk.all_answered.is_set()
    for number in range(3):
        desk.record(an_attempt(9_999 + number))
    assert desk.all_answered.is_set()
    *unanswered, answered = desk.attempts("A")
    assert (len(unanswered), answered.came_at) == (MOST_KEPT + 1, 9_999)


def test_of_more_attempts_than_are_kept_it_is_said_that_there_were_more() -> None:
    desk, _ = a_desk(BY_NAME["outage"])
    for number in range(2 * MOST_KEPT):
        desk.record(an_attempt(number, key=str(number), met_fault=True, status=None))
    cases = judge(desk.plan, {"A": desk.attempts("A")}, {"A": 0}, (), {})
    said = {case.check: case.verdict.detail for case in cases}
    assert said["one_key"] == "A: more than 1000 requests with more than 1000 keys."
    assert said["calm"] == "A: more than 1000 requests, where 10 are enough."
