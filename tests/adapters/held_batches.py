"""What a GroupCommit writes with, held until the test lets it go."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapters.sql.group_commit import GroupCommit, GroupLimits
from tests.fakes import FakeClock


@dataclass(frozen=True, slots=True)
class Parcel:
    name: str
    kind: str = "a kind"


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One that was sent and is under way."""

    names: list[str]
    end: "asyncio.Future[list[str]]"

    def succeed(self) -> None:
        self.end.set_result([f"{name} is written" for name in self.names])

    def fail(self, error: Exception) -> None:
        self.end.set_exception(error)


@dataclass(slots=True)
class Press:
    """Both ways of writing. `batches` are those sent together, in order; what is written `singly`
    is done at once, with the fault that `faults` names for it."""

    batches: list[Batch] = field(default_factory=list)
    singly: list[str] = field(default_factory=list)
    faults: dict[str, Exception] = field(default_factory=dict)

    async def together(self, parcels: Sequence[Parcel]) -> Sequence[str]:
        assert len({parcel.kind for parcel in parcels}) == 1
        batch = Batch([parcel.name for parcel in parcels], asyncio.Future())
        self.batches.append(batch)
        return await batch.end

    async def alone(self, parcel: Parcel) -> str:
        self.singly.append(parcel.name)
        await asyncio.sleep(0)
        if parcel.name in self.faults:
            raise self.faults[parcel.name]
        return f"{parcel.name} is written alone"

    @property
    def sent(self) -> list[list[str]]:
        return [batch.names for batch in self.batches]

    def commits(self, *, lanes: int = 1, batch: int = 100, waiting: int = 100) -> "Commits":
        limits = GroupLimits(lanes=lanes, batch=batch, waiting=waiting)
        return GroupCommit(self.together, self.alone, limits, FakeClock())


Commits = GroupCommit[Parcel, str]


def ask(commits: Commits, *names: str, kind: str = "a kind") -> "list[asyncio.Task[str]]":
    """Callers that come in the same turn of the loop."""
    return [asyncio.create_task(commits.write(Parcel(name, kind))) for name in names]


async def settle() -> None:
    """Let everything happen that does not wait for the test."""
    for _ in range(500):
        await asyncio.sleep(0)
