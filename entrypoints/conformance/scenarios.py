"""What goes wrong on purpose while a partner's client places orders, and which order meets what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import Final

OUTAGE_SECONDS: Final = 2.0


class Sight(Enum):
    """What the client is shown of the real answer."""

    WHOLE = auto()
    LATE = auto()
    HALF = auto()
    """Then the connection ends."""
    NOTHING = auto()
    """The connection ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Another answer in the place of the real one: a problem document with this code, or a proxy's
    page where there is none. With `retry_after` it says when to come again."""

    status: int
    code: str | None
    retry_after: bool = False


class Lasts(Enum):
    """Which requests for the order it meets."""

    FIRST = auto()
    OUTAGE = auto()
    """All that come within OUTAGE_SECONDS of the first."""
    FOR_EVER = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`carried_out` is how often the real application carries the request out before the client is
    `shown` something. `story` goes behind "after": "after a 503 with Retry-After"."""

    name: str
    story: str
    carried_out: int
    shown: Sight | Said
    lasts: Lasts = Lasts.FIRST

    @property
    def is_refusal(self) -> bool:
        """The order is refused for good: there must be none, and no further request."""
        return self.lasts is Lasts.FOR_EVER

    @property
    def needs_retry(self) -> bool:
        return self.shown is not Sight.WHOLE and not self.is_refusal

    @property
    def names_pause(self) -> bool:
        return isinstance(self.shown, Said) and self.shown.retry_after


SCENARIOS: Final[Sequence[Scenario]] = (
    Scenario(name="clean", story="an ordinary answer", carried_out=1, shown=Sight.WHOLE),
    Scenario(
        name="lost_answer",
        story="an answer that was lost, the order being there",
        carried_out=1,
        shown=Sight.NOTHING,
    ),
    Scenario(
        name="half_answer",
        story="half an answer, the order being there",
        carried_out=1,
        shown=Sight.HALF,
    ),
    Scenario(
        name="slow_answer",
        story="an answer that did not come in time, the order being there",
        carried_out=1,
        shown=Sight.LATE,
    ),
    Scenario(
        name="cut_connection",
        story="a connection that was cut before anything was done",
        carried_out=0,
        shown=Sight.NOTHING,
    ),
    Scenario(
        name="outage",
        story=f"an outage of {OUTAGE_SECONDS:g} seconds",
        carried_out=0,
        shown=Sight.NOTHING,
        lasts=Lasts.OUTAGE,
    ),
    Scenario(
        name="in_progress",
        story="a 409 idempotency_in_progress, the order being there",
        carried_out=1,
        shown=Said(status=409, code="idempotency_in_progress", retry_after=True),
    ),
    Scenario(
        name="rate_limited",
        story="a 429 rate_limited",
        carried_out=0,
        shown=Said(status=429, code="rate_limited", retry_after=True),
    ),
    Scenario(
        name="unavailable",
        story="a 503 unavailable",
        carried_out=0,
        shown=Said(status=503, code="unavailable", retry_after=True),
    ),
    Scenario(
        name="outcome_unknown",
        story="a 503 outcome_unknown, the order being there",
        carried_out=1,
        shown=Said(status=503, code="outcome_unknown", retry_after=True),
    ),
    Scenario(
        name="server_error",
        story="a 500 internal_error, the order being there",
        carried_out=1,
        shown=Said(status=500, code="internal_error"),
    ),
    Scenario(
        name="bad_gateway",
        story="a proxy's 502, which is no JSON, the order being there",
        carried_out=1,
        shown=Said(status=502, code=None),
    ),
    # Who was made from Harbor's document looks for a problem in a 503, and in a 502 for nothing.
    Scenario(
        name="proxy_unavailable",
        story="a proxy's 503, which is no JSON and names no pause, the order being there",
        carried_out=1,
        shown=Said(status=503, code=None),
    ),
    Scenario(
        name="duplicated",
        story="a request that a proxy sent twice",
        carried_out=2,
        shown=Sight.WHOLE,
    ),
    Scenario(
        name="refused",
        story="a 422, which will be answered each time",
        carried_out=0,
        shown=Said(status=422, code="payment_method_unknown"),
        lasts=Lasts.FOR_EVER,
    ),
)


def assign(
    scenarios: Sequence[Scenario], *, orders: int, prefix: str, seed: int | None
) -> Mapping[str, Scenario]:
    """The scenario of each invoice, by turns; the invoices are prefix-1, prefix-2 and so on. A
    `seed` shuffles who meets what, the same way each time."""
    turns = [scenarios[number % len(scenarios)] for number in range(orders)]
    if seed is not None:
        drawn = [sha256(f"{seed} {number}".encode()).digest() for number in range(orders)]
        turns = [turns[number] for number in sorted(range(orders), key=drawn.__getitem__)]
    return {f"{prefix}-{number}": scenario for number, scenario in enumerate(turns, 1)}
