"""Examines a partner's webhook receiver: sends it what Harbor would, and what it must refuse."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

from application.ports.webhook_sender import Unanswered
from entrypoints.conformance.commands import CommandFailed, lines_of
from entrypoints.conformance.exercises import Exercise, exercises
from entrypoints.conformance.letters import Correspondent, Delivery
from entrypoints.conformance.receiver_judge import Outcome, Tried, expected, judge
from entrypoints.conformance.report import Report, Verdict, failed, skipped
from entrypoints.conformance.stops import Stopped, Stops, heeding_signals
from entrypoints.container import Container
from entrypoints.settings import Settings

_LOOK_AGAIN_SECONDS: Final = 0.25
_PROCESSED_SECONDS: Final = 10.0
"""So long what was accepted may take to be processed."""
_NOT_REACHED: Final = {
    "address_refused": "its name stands for an address that Harbor sends nothing to",
    "name_unknown": "its name has no address",
    "tls_failed": "its certificate is not valid, or it does not speak TLS",
    "unreachable": "it takes no connection, or ends it without an answer",
    "unreadable": "what it answers is no HTTP",
}
_CANNOT_BE_RUN: Final = (126, 127)
"""A shell's exit codes for a command that is no program, or is not there (POSIX, 2.8.2)."""
_MOST_UNANSWERED: Final = 3
"""Exercises in a row: then the receiver has died, or is so slow that the rest would take hours."""
_NOT_LOOKED: Final = (
    "It cannot be seen from outside whether a duplicate is processed twice. Give"
    " --processed-command to have it checked."
)
_STOPPED: Final = "The run was stopped before everything was sent."
_GAVE_UP: Final = "Nothing was answered three times in a row: the rest was not sent."


class NotReached(Exception):
    """There is no receiver to examine. The message is one line for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverOptions:
    """`patience_seconds` is how long an answer may take. `processed_command` prints the ids of the
    events that were processed, one a line."""

    url: str
    secret: str = field(repr=False)
    patience_seconds: float
    processed_command: str | None


class _Post(Protocol):
    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome: ...


async def examine_receiver(options: ReceiverOptions) -> Report:
    """The report, when everything was sent or at a signal. Raises NotReached, and CommandFailed
    before anything is sent."""
    # It sends as an embedded Harbor does: to public addresses and to this machine.
    container = Container(settings=Settings.model_construct(webhook_allow_loopback=True))
    clock, sender = container.clock(), container.webhook_sender()
    began = clock.monotonic()
    tried: list[Tried] = []
    with heeding_signals() as stops:
        try:
            refusal = sender.refusal(options.url)
            if refusal is not None:
                raise NotReached(_said(refusal, options.url))
            by = Correspondent(options.secret, ids=container.ids(), clock=clock)
            unsent = await stops.run(_try_all(by, options, sender.post, tried))
        except Stopped:
            unsent = _STOPPED
        finally:
            await sender.close()
        processed = await _processed(options.processed_command, expected(tried), stops)
    return Report(
        kit="receiver",
        cases=judge(tried, processed, options.patience_seconds, unsent),
        notes=(),
        seconds=clock.monotonic() - began,
    )


def _said(refusal: str, url: str) -> str:
    if url.lower().startswith("https://"):
        return refusal
    return f"{refusal} http:// is for this machine alone: localhost, 127.0.0.1, [::1]."


async def _try_all(
    by: Correspondent, options: ReceiverOptions, post: _Post, tried: list[Tried]
) -> str | None:
    """Why not everything was sent. Raises NotReached, if that shows at the first delivery, and
    CommandFailed before it."""
    if options.processed_command is not None:
        await _try_out(options.processed_command)
    unanswered = 0
    for exercise in exercises(by):
        outcomes = await _try(exercise, options, post)
        problem = outcomes[0].problem if isinstance(outcomes[0], Unanswered) else None
        if not tried and problem in _NOT_REACHED:
            raise NotReached(f"The receiver cannot be examined: {_NOT_REACHED[problem]}.")
        tried.append(Tried(exercise=exercise, outcomes=tuple(outcomes)))
        silent = all(isinstance(each, Unanswered) for each in outcomes)
        unanswered = unanswered + 1 if silent else 0
        if unanswered == _MOST_UNANSWERED:
            return _GAVE_UP
    return None


async def _try_out(command: str) -> None:
    """Raises CommandFailed when it cannot be run, which is better known before. That it fails is
    nothing yet: while nothing has come there may be no file that it could print."""
    try:
        await lines_of(command, _PROCESSED_SECONDS)
    except CommandFailed as error:
        if error.code is None or error.code in _CANNOT_BE_RUN:
            raise


async def _try(exercise: Exercise, options: ReceiverOptions, post: _Post) -> Sequence[Outcome]:
    if exercise.at_once:
        return await asyncio.gather(*[_send(each, options, post) for each in exercise.deliveries])
    return [await _send(each, options, post) for each in exercise.deliveries]


async def _send(delivery: Delivery, options: ReceiverOptions, post: _Post) -> Outcome:
    try:
        async with asyncio.timeout(options.patience_seconds):
            return await post(options.url, delivery.headers, delivery.body)
    except TimeoutError:
        patience = timedelta(seconds=options.patience_seconds)
        return Unanswered(problem="timeout", latency=patience)


async def _processed(
    command: str | None, wanted: frozenset[str], stops: Stops
) -> Sequence[str] | Verdict:
    """The ids of what was processed, or what is to be said because nobody knows."""
    if command is None:
        return skipped(_NOT_LOOKED)
    try:
        return await stops.run(_settled(command, wanted))
    except CommandFailed as error:
        return failed(
            f"The command of --processed-command {error}.",
            "See what it makes of what has come.",
        )
    except Stopped:
        return failed(
            "The run was stopped before it was known what was processed.",
            "Run it again, to the end.",
        )


async def _settled(command: str, wanted: frozenset[str]) -> list[str]:
    """What the command prints, once it has printed all that is wanted and says the same twice, or
    at the end of the time. Raises CommandFailed."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PROCESSED_SECONDS
    before: list[str] = []
    while True:
        lines = await lines_of(command, _PROCESSED_SECONDS)
        settled = wanted.issubset(lines) and lines == before
        if settled or loop.time() > deadline:
            return lines
        before = lines
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
