"""Ratios from neighbouring pairs: A B B A A B B A …

A machine is never the same for long: other work, temperature, a checkpoint. What runs next to each
other runs on nearly the same machine, so that each pair gives one ratio, and the order is turned
round so that neither is always the first.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.stage import Window

Pair = tuple[Window, Window]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The median over all pairs, and the lowest and highest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Ratio":
        listed = list(values)
        return cls(median=median(listed), low=min(listed), high=max(listed))


METRICS: Final[Mapping[str, Callable[[Window], float]]] = {
    "rate": lambda window: window.outcome.per_second,
    "p99": lambda window: window.outcome.p99_ms,
    "cpu": lambda window: window.cpu_us,
    "database_cpu": lambda window: window.database_us,
}


def in_pairs(
    first: Callable[[], Window], second: Callable[[], Window], pairs: int
) -> Sequence[Pair]:
    """Measure both in turn; each pair is (first, second), whichever was measured first."""
    measured = []
    for number in range(pairs):
        if number % 2 == 0:
            one = first()
            measured.append((one, second()))
        else:
            other = second()
            measured.append((first(), other))
    return measured


def ratio(pairs: Sequence[Pair], metric: str) -> Ratio:
    """The first's measure divided by the second's."""
    value = METRICS[metric]
    return Ratio.of(value(one) / value(other) for one, other in pairs)
