"""Time."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    @abstractmethod
    def now(self) -> datetime:
        """The time of day, aware, in UTC, to the microsecond. It may jump."""

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds since some moment; never goes back. Only differences mean anything."""
