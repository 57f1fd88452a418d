"""The only things that are faked: time and randomness."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.ids import Ids

NOW = datetime(2026, 11, 21, 2, 17, 39, 120, tzinfo=UTC)


class FakeClock(Clock):
    """Stands still until it is told to go on."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._monotonic += by.total_seconds()

    def suspend(self, by: timedelta) -> None:
        """The machine sleeps: its monotonic clock stands still."""
        self._now += by


class FakeIds(Ids):
    """Predictable and increasing."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._count = seed << 32

    def new(self) -> UUID:
        self._count += 1
        return UUID(f"01900000-0000-7000-8000-{self._count:012x}")

    def fraction(self) -> float:
        return self._random.random()

    def secret(self, alphabet: str, length: int) -> str:
        return "".join(self._random.choices(alphabet, k=length))
