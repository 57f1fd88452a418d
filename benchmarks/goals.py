"""What a measure is expected to reach."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """At least or at most `limit`."""

    limit: float
    at_least: bool

    def is_met_by(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


def at_least(limit: float) -> Goal:
    """More is better."""
    return Goal(limit=limit, at_least=True)


def at_most(limit: float) -> Goal:
    """Less is better."""
    return Goal(limit=limit, at_least=False)
