"""What is right and what is wrong in how a receiver answered. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from application.ports.webhook_sender import Answered, Unanswered
from entrypoints.conformance.exercises import Exercise
from entrypoints.conformance.letters import Delivery
from entrypoints.conformance.report import Case, Verdict, failed, passed, skipped

_SUCCESS: Final = range(200, 300)
_REDIRECTION: Final = range(300, 400)
_NOT_FOLLOWED: Final = "Redirects are not followed: name the URL to which they lead."
_TIMEOUT: Final = "timeout"
_ALL: Final = "all_deliveries"

Outcome: TypeAlias = Answered | Unanswered


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An exercise, and what each of its deliveries was answered."""

    exercise: Exercise
    outcomes: tuple[Outcome, ...]

    @property
    def pairs(self) -> list[tuple[Delivery, Outcome]]:
        return list(zip(self.exercise.deliveries, self.outcomes, strict=True))

    @property
    def accepted_ids(self) -> frozenset[str]:
        """Of what was good and was accepted."""
        good = [each.ids for each, outcome in self.pairs if each.is_good and _accepts(outcome)]
        return frozenset[str]().union(*good)

    @property
    def forged_ids(self) -> frozenset[str]:
        """Of what must never be processed."""
        bad = [each.ids for each, _ in self.pairs if not each.is_good]
        good = [each.ids for each, _ in self.pairs if each.is_good]
        return frozenset[str]().union(*bad) - frozenset[str]().union(*good)


def judge(
    tried: Sequence[Tried],
    processed: Sequence[str] | Verdict,
    patience_seconds: float,
    unsent: str | None,
) -> tuple[Case, ...]:
    """Every check of every exercise, and of the run. `processed` are the ids of the events that the
    receiver has processed, each as often as it has, or what is to be said because nobody knows;
    `unsent` is why not everything was sent, if it was not."""
    counts = None if isinstance(processed, Verdict) else Counter(processed)
    cases = [case for each in tried for case in _cases(each, counts, patience_seconds)]
    if isinstance(processed, Verdict):
        cases.append(Case(scenario=_ALL, check="once", verdict=processed))
    return (*cases, Case(scenario=_ALL, check="sent", verdict=_sent(tried, unsent)))


def _sent(tried: Sequence[Tried], unsent: str | None) -> Verdict:
    if unsent is None:
        return passed(f"{sum(len(each.outcomes) for each in tried)} deliveries were sent.")
    return failed(unsent, "What was not sent was not examined: run it again, to the end.")


def _cases(tried: Tried, counts: Counter[str] | None, patience_seconds: float) -> Iterator[Case]:
    scenario = tried.exercise.scenario
    slowest = max(each.latency.total_seconds() for each in tried.outcomes)
    answer, in_time = _answer(tried), _in_time(tried, slowest, patience_seconds)
    yield Case(scenario=scenario, check="answer", verdict=answer, seconds=slowest)
    yield Case(scenario=scenario, check="in_time", verdict=in_time)
    if counts is not None:
        yield Case(scenario=scenario, check="once", verdict=_once(tried, counts))


def _answer(tried: Tried) -> Verdict:
    exercise, pairs = tried.exercise, tried.pairs
    wrong = [each for each in pairs if not _is_right(*each)]
    if exercise.one_is_enough and len(wrong) < len(pairs):
        wrong = []
    told = [(delivery, outcome) for delivery, outcome in wrong if not _is_late(outcome)]
    if told:
        delivery, outcome = told[0]
        wanted = "2xx" if delivery.is_good else "refused, best with 400"
        advice = _NOT_FOLLOWED if _redirects(outcome) else exercise.advice
        return failed(f"{_said(outcome)}, where it should be {wanted}.", advice)
    if wrong:
        return skipped("There was no answer in time.")
    return passed(_summary(tried.outcomes))


def _in_time(tried: Tried, slowest: float, patience_seconds: float) -> Verdict:
    if any(_is_late(each) for each in tried.outcomes):
        return failed(
            f"No answer came within {patience_seconds:g} s.",
            "Harbor hangs up after 20 s: write the event down, answer, and work afterwards.",
        )
    return passed(f"The slowest answer took {slowest:.2f} s.")


def _once(tried: Tried, counts: Counter[str]) -> Verdict:
    if any(counts[each] for each in tried.forged_ids):
        return failed("What was forged was processed.", tried.exercise.advice)
    if not tried.accepted_ids:
        forged = bool(tried.forged_ids)
        return passed("Nothing was processed.") if forged else skipped("Nothing was accepted.")
    most = max(counts[each] for each in tried.accepted_ids)
    if most > 1:
        return failed(
            f"An event was processed {most} times.",
            "Keep the ids in a table with the id as its key, and write it in the transaction in"
            " which the event is written down, before you answer.",
        )
    missing = sum(not counts[each] for each in tried.accepted_ids)
    if missing and not tried.exercise.may_pass_over:
        return failed(
            f"{missing} of {len(tried.accepted_ids)} that were answered 2xx were not processed.",
            "Harbor does not send again what was answered 2xx: write the event down before.",
        )
    return passed("Each event was processed once.")


def expected(tried: Sequence[Tried]) -> frozenset[str]:
    """The ids that will have been processed, sooner or later, by a receiver that is right."""
    ids = [each.accepted_ids for each in tried if not each.exercise.may_pass_over]
    return frozenset[str]().union(*ids)


def _is_right(delivery: Delivery, outcome: Outcome) -> bool:
    """No answer is not a refusal: what has crashed would pass for careful."""
    return isinstance(outcome, Answered) and delivery.is_good is _accepts(outcome)


def _accepts(outcome: Outcome) -> bool:
    return isinstance(outcome, Answered) and outcome.status in _SUCCESS


def _redirects(outcome: Outcome) -> bool:
    return isinstance(outcome, Answered) and outcome.status in _REDIRECTION


def _is_late(outcome: Outcome) -> bool:
    return isinstance(outcome, Unanswered) and outcome.problem == _TIMEOUT


def _said(outcome: Outcome) -> str:
    if isinstance(outcome, Answered):
        return f"The answer was {outcome.status}"
    return f"There was no answer ({outcome.problem})"


def _summary(outcomes: Sequence[Outcome]) -> str:
    said = Counter(_said(each) for each in outcomes)
    if len(outcomes) == 1:
        return f"{_said(outcomes[0])}."
    return "; ".join(f"{each} ({count} times)" for each, count in said.items()) + "."
