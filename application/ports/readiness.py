"""Whether a dependency can be used now."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`problem` is None when all is well, else one sentence that says what to do.
    Only `required` findings keep the service from being ready."""

    name: str
    problem: str | None
    required: bool = True


class ReadinessProbe(Protocol):
    @abstractmethod
    async def examine(self) -> Finding:
        """Answers within a few seconds and never raises."""
