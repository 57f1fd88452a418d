"""What is right and what is wrong in how a client placed its orders. Pure."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from entrypoints.conformance.attempts import MOST_KEPT, Attempt
from entrypoints.conformance.report import Case, Result, Verdict, failed, passed, skipped
from entrypoints.conformance.scenarios import Scenario

MOST_REQUESTS: Final = 10
"""For one order. Who pauses twice as long each time is through every scenario in half as many."""
EARLY_SECONDS: Final = 0.1
"""So much too early is no matter: clocks differ in how they round."""

_TOLD: Final = 3
"""Invoices that are told of; of more, only how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What became of one invoice. `attempts` are in the order in which they came, `orders` how many
    there are in the database, `shared_with` the other invoices that one of its keys was sent for.
    It `was_found` if the client asked what became of its key, and was told that the order is there.
    """

    invoice: str
    scenario: Scenario
    attempts: tuple[Attempt, ...]
    orders: int
    was_found: bool
    shared_with: tuple[str, ...]

    @property
    def final(self) -> Attempt | None:
        """The first that succeeded, or else was refused: a refusal may have been mended."""
        answered = [each for each in self.attempts if each.is_final]
        return min(answered, key=lambda each: (each.is_refused, each.ended_at), default=None)

    @property
    def repeated_refusals(self) -> list[Attempt]:
        """What was refused again after the same had been refused so: mended, it is another."""
        refused_at: dict[tuple[bytes, int | None], float] = {}
        repeated = []
        for each in self.attempts:
            same = (each.digest, each.status)
            if each.came_at > refused_at.get(same, inf):
                repeated.append(each)
            elif each.is_refused:
                refused_at[same] = min(each.ended_at, refused_at.get(same, inf))
        return repeated

    def after(self, attempt: Attempt) -> list[Attempt]:
        """What came when it had ended, and was no return after another."""
        return [
            each
            for each, before in self.returns
            if before is None and each.came_at > attempt.ended_at
        ]

    @property
    def returns(self) -> list[tuple[Attempt, Attempt | None]]:
        """Each attempt with the one after which it came back, None for one that came of itself.
        Where several had ended without an answer for good, as when a queue delivers twice, nobody
        knows which it was: it is taken for the one that may come back first."""
        waiting: list[Attempt] = []
        found: list[tuple[Attempt, Attempt | None]] = []
        for each in self.attempts:
            ended = [earlier for earlier in waiting if earlier.ended_at < each.came_at]
            before = min(ended, key=lambda earlier: earlier.due_at, default=None)
            found.append((each, before))
            if before is not None:
                waiting.remove(before)
            if not each.is_final:
                waiting.append(each)
        return found


def judge(
    plan: Mapping[str, Scenario],
    attempts: Mapping[str, tuple[Attempt, ...]],
    orders: Mapping[str, int],
    found: Collection[str],
    strays: Mapping[str, int],
) -> tuple[Case, ...]:
    """Every check of every scenario in the plan, and one of what was sent besides. `attempts` and
    `orders` are by invoice; `found` are the invoices whose order the client has found by its key,
    `strays` how many requests were wrong in which way."""
    courses = [
        Course(
            invoice=invoice,
            scenario=scenario,
            attempts=attempts[invoice],
            orders=orders[invoice],
            was_found=invoice in found,
            shared_with=_shared_with(invoice, attempts),
        )
        for invoice, scenario in plan.items()
    ]
    cases = [
        case
        for scenario in dict.fromkeys(plan.values())
        for case in _cases(scenario, [each for each in courses if each.scenario is scenario])
    ]
    addressed = Case(scenario="all_requests", check="addressed", verdict=_addressed(strays))
    return (*cases, addressed)


def _shared_with(invoice: str, attempts: Mapping[str, tuple[Attempt, ...]]) -> tuple[str, ...]:
    keys = {each.key for each in attempts[invoice]} - {None}
    return tuple(
        other
        for other, sent in attempts.items()
        if other != invoice and any(each.key in keys for each in sent)
    )


def _cases(scenario: Scenario, courses: Sequence[Course]) -> Iterator[Case]:
    for check, judge_one in CHECKS.items():
        if _applies(check, scenario):
            verdicts = [(each.invoice, judge_one(each)) for each in courses]
            yield Case(scenario=scenario.name, check=check, verdict=_together(verdicts))


def _applies(check: str, scenario: Scenario) -> bool:
    match check:
        case "retried":
            return scenario.needs_retry
        case "waited":
            return scenario.names_pause
        case _:
            return True


def _together(verdicts: Sequence[tuple[str, Verdict]]) -> Verdict:
    """One for all invoices of a scenario: the worst."""
    worst = next(
        result
        for result in (Result.FAILED, Result.PASSED, Result.SKIPPED)
        if any(each.result is result for _, each in verdicts)
    )
    same = [(invoice, each) for invoice, each in verdicts if each.result is worst]
    told = [f"{invoice}: {each.detail}" for invoice, each in same[:_TOLD]]
    if len(same) > _TOLD:
        told.append(f"And {len(same) - _TOLD} more.")
    advice = " ".join(dict.fromkeys(each.advice for _, each in same if each.advice))
    return Verdict(worst, " ".join(told), advice)


def _addressed(strays: Mapping[str, int]) -> Verdict:
    if not strays:
        return passed("Every order was placed for an invoice of the task.")
    return failed(
        said_of(strays),
        "Place orders for the invoices of the task only, and see what you are answered.",
    )


def said_of(strays: Mapping[str, int]) -> str:
    told = "; ".join(f"{count} {what}" for what, count in strays.items())
    return f"Of the requests to POST /v1/orders, {told}."


def _one_order(course: Course) -> Verdict:
    orders, final = course.orders, course.final
    if course.scenario.is_refusal and orders == 0 and course.attempts:
        return passed("there is no order, as it was refused.")
    if orders == 1 and not course.scenario.is_refusal:
        return passed("there is one order.")
    if not course.attempts:
        return failed("nothing arrived.", "Place an order with this invoice_id.")
    if orders:
        count = "is 1 order" if orders == 1 else f"are {orders} orders"
        return failed(
            f"there {count}.", "A new Idempotency-Key makes a new order: retry under the first one."
        )
    if final is not None:
        return failed(
            f"there is no order, and the answer was {final.status}.",
            "See what the answer says: its detail names what is wrong with the request.",
        )
    return failed("there is no order.", "Go on under the same key until the answer is 200 or 201.")


def _one_key(course: Course) -> Verdict:
    keyless = sum(each.key is None for each in course.attempts)
    keys = {each.key for each in course.attempts} - {None}
    requests = _requests(len(course.attempts))
    if keyless:
        return failed(
            f"{_count(keyless)} of {requests} had no valid Idempotency-Key.",
            "Send one, of 1 to 255 visible ASCII characters, with every request.",
        )
    if len(keys) > 1:
        return failed(
            f"{requests} with {_count(len(keys))} keys.",
            "Make the key once, before the first attempt, keep it with the order, and send it with"
            " every retry.",
        )
    return passed(f"{requests} with one key.")


def _own_key(course: Course) -> Verdict:
    if course.shared_with:
        others = ", ".join(course.shared_with[:_TOLD])
        return failed(
            f"its key was sent for {others} too.",
            "A key stands for one order: make a new one for each.",
        )
    return passed("no other order had its key.")


def _same_body(course: Course) -> Verdict:
    mended = {each.digest for each in course.attempts if each.may_be_mended}
    bodies = len({each.digest for each in course.attempts} - mended)
    if bodies > 1:
        return failed(
            f"{_requests(len(course.attempts))} with {_count(bodies)} different bodies.",
            "Keep the body with the key and send it as it was: another one is refused (422"
            " idempotency_key_reused).",
        )
    return passed("the body was the same each time.")


def _retried(course: Course) -> Verdict:
    story, final = course.scenario.story, course.final
    met = next((each for each in course.attempts if each.met_fault), None)
    if final is not None and final.is_refused:
        return skipped(f"it was refused with a {final.status}, which is none of the kit's.")
    if met is None:
        return skipped("no request with a valid key came that could meet it.")
    if met.has_succeeded:
        return skipped("the client waited for it. Give --slow more seconds than it has patience.")
    if final is not None:
        return passed(f"it came back after {story}.")
    if course.was_found:
        return passed(f"it asked what became of the key after {story}.")
    return _given_up(story, [each for each in course.attempts if each is not met])


def _given_up(story: str, later: Sequence[Attempt]) -> Verdict:
    """`later` is what came after the fault."""
    if not later:
        return failed(
            f"it did not come back after {story}.",
            "Without an answer, and after 408, 409, 425, 429 and 5xx, nobody knows whether the"
            " order is there: try again under the same key.",
        )
    times = "once" if len(later) == 1 else f"{_count(len(later))} times"
    last = "no answer" if later[-1].status is None else f"a {later[-1].status}"
    return failed(
        f"it came back {times} after {story}, the last time for {last}.",
        "Go on, with longer and longer pauses, until the answer is 200 or 201.",
    )


def _waited(course: Course) -> Verdict:
    came_back = [
        (each.came_at - before.ended_at, before.retry_after)
        for each, before in course.returns
        if before is not None and before.retry_after is not None
    ]
    if not came_back:
        return skipped("it never came back.")
    pause, asked = min(came_back, key=lambda each: each[0] - each[1])
    if pause < asked - EARLY_SECONDS:
        return failed(
            f"it came back after {pause:.2f} s, although Retry-After said {asked}.",
            "Wait at least as long as Retry-After says.",
        )
    return passed(f"it came back after {pause:.2f} s, Retry-After having said {asked}.")


def _stopped(course: Course) -> Verdict:
    final = course.final
    if final is None and course.was_found:
        return passed("it was told that the key had been carried out.")
    if final is None:
        return skipped("it was never answered for good.")
    more = course.after(final) if final.has_succeeded else course.repeated_refusals
    if not more:
        return passed(f"nothing came after the {final.status}.")
    if final.has_succeeded:
        advice = "The order is there, and 200 says so as well as 201: stop."
    else:
        advice = "It is answered so each time: correct the request, or give it up."
    return failed(f"{_requests(len(more))} came after the {final.status}.", advice)


def _calm(course: Course) -> Verdict:
    requests = _requests(len(course.attempts))
    if len(course.attempts) > MOST_REQUESTS:
        return failed(
            f"{requests}, where {MOST_REQUESTS} are enough.",
            "Pause between attempts, twice as long each time.",
        )
    return passed(f"{requests}.")


_Check = Callable[[Course], Verdict]


def _of_what_came(check: _Check) -> _Check:
    """The check where there is something to look at."""
    return lambda course: check(course) if course.attempts else skipped("nothing arrived.")


CHECKS: Final[Mapping[str, _Check]] = {
    "one_order": _one_order,
    "one_key": _of_what_came(_one_key),
    "own_key": _of_what_came(_own_key),
    "same_body": _of_what_came(_same_body),
    "stopped": _of_what_came(_stopped),
    "calm": _of_what_came(_calm),
    "retried": _of_what_came(_retried),
    "waited": _of_what_came(_waited),
}
"""Each says what it makes of one invoice."""


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{_count(count)} requests"


def _count(count: int) -> str:
    """What is above it was not kept."""
    return str(count) if count <= MOST_KEPT else f"more than {MOST_KEPT}"
