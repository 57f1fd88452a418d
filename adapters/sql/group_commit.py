"""Group commit: what arrives while a commit is under way is committed together by the next one.

One transaction, one statement, one flush of the log for many, after Gawlick and Kinkade, "Varieties
of Concurrency Control in IMS/VS Fast Path" (1985). Nobody waits for company: what finds a lane free
leaves at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.lanes import Lanes
from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable


class Kindly(Protocol):
    @property
    def kind(self) -> Hashable:
        """Only items of one kind can be written together."""


Item = TypeVar("Item", bound=Kindly)
Outcome = TypeVar("Outcome")

_log = logging.getLogger("harbor.group_commit")

_OF_THE_DATABASE: Final = (ConnectionLost, StorageUnavailable, TransactionConflict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimits:
    """At most `lanes` batches are committed at the same time, each of at most `batch` items; at
    most `waiting` items wait for a place in one."""

    lanes: int = 6
    batch: int = 128
    waiting: int = 1_000


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Outcome]):
    item: Item
    outcome: asyncio.Future[Outcome]


class GroupCommit(Generic[Item, Outcome]):
    """`together` writes several items of one kind at once and answers their outcomes in the order
    of the items; `alone` writes one, for when several together did not go."""

    def __init__(
        self,
        together: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]],
        alone: Callable[[Item], Awaitable[Outcome]],
        limits: GroupLimits,
        clock: Clock,
    ) -> None:
        self._together = together
        self._alone = alone
        self._limits: Final = limits
        self._clock: Final = clock
        self._lanes: Final = Lanes(limits.lanes)
        self._waiting: deque[_Waiting[Item, Outcome]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._lanes_in_use = 0
        self._is_about_to_leave = False

    async def write(self, item: Item) -> Outcome:
        """What became of the item.

        Raises StorageUnavailable at once when too many wait already, and what `together` or
        `alone` raises: a fault that all of a batch share is one of its own for each caller.
        """
        if len(self._waiting) >= self._limits.waiting:
            raise StorageUnavailable("More arrives than the database can take.")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(item, outcome))
        self._lanes.item_came(self._clock.monotonic())
        self._leave_soon()
        return await outcome

    async def drain(self) -> None:
        """Wait until nothing waits and nothing is under way, whoever may have stopped waiting."""
        while self._running or self._waiting:
            if self._running:
                await asyncio.wait(self._running)
            await asyncio.sleep(0)

    def _leave_soon(self) -> None:
        """When what arrived in the same turn of the loop is on board too."""
        if not self._is_about_to_leave and self._lanes_in_use < self._lanes.open:
            self._is_about_to_leave = True
            asyncio.get_running_loop().call_soon(self._leave)

    def _leave(self) -> None:
        """As many batches as there are free lanes for."""
        self._is_about_to_leave = False
        while self._lanes_in_use < self._lanes.open and (batch := self._board()):
            self._lanes_in_use += 1
            running = asyncio.create_task(self._commit(batch))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    def _arrive(self, written: int) -> None:
        """The next batch leaves before this one's callers hear of theirs: what they do then takes
        the loop's time, and the database would wait for it."""
        self._lanes_in_use -= 1
        self._lanes.batch_ended(
            self._clock.monotonic(), written=written, waiting=bool(self._waiting)
        )
        self._leave()

    def _board(self) -> list[_Waiting[Item, Outcome]]:
        """Those of the kind of the first, in the order in which they came."""
        batch: list[_Waiting[Item, Outcome]] = []
        stay: list[_Waiting[Item, Outcome]] = []
        while self._waiting and len(batch) < self._limits.batch:
            each = self._waiting.popleft()
            if each.outcome.cancelled():
                continue
            fits = not batch or each.item.kind == batch[0].item.kind
            (batch if fits else stay).append(each)
        self._waiting.extendleft(reversed(stay))
        return batch

    async def _commit(self, batch: Sequence[_Waiting[Item, Outcome]]) -> None:
        # Who is told nothing else, whatever happens here, has to find out.
        tell = partial(_fail_all, batch, ConnectionLost())
        try:
            outcomes = await self._together([each.item for each in batch])
            tell = partial(_tell_all, batch, outcomes)
        except (ConnectionLost, StorageUnavailable) as fault:
            tell = partial(_fail_all, batch, fault)
        except Exception as error:  # one item spoils the batch: which one is found out singly
            _log.warning("a batch was written singly: %s", type(error).__name__)
            await self._commit_singly(batch)
        finally:
            self._arrive(len(batch))
            tell()

    async def _commit_singly(self, batch: Sequence[_Waiting[Item, Outcome]]) -> None:
        """When the database fails two in a row it is not for what they are: the rest is told so,
        for each would wait for its own time, one after the other."""
        failed_before = False
        for number, each in enumerate(batch, start=1):
            fault = await self._commit_alone(each)
            if isinstance(fault, _OF_THE_DATABASE) and failed_before:
                _fail_all(batch[number:], fault)
                return
            failed_before = isinstance(fault, _OF_THE_DATABASE)

    async def _commit_alone(self, one: _Waiting[Item, Outcome]) -> Exception | None:
        """What went wrong."""
        try:
            outcome = await self._alone(one.item)
        except Exception as error:
            _fail(one, error)
            return error
        if not one.outcome.done():
            one.outcome.set_result(outcome)
        return None


def _tell_all(batch: Sequence[_Waiting[Item, Outcome]], outcomes: Sequence[Outcome]) -> None:
    for each, outcome in zip(batch, outcomes, strict=True):
        if not each.outcome.done():
            each.outcome.set_result(outcome)


def _fail_all(batch: Sequence[_Waiting[Item, Outcome]], fault: Exception) -> None:
    """With an exception of its own for each: a traceback is not shared."""
    for each in batch:
        own = type(fault)(*fault.args)
        own.__cause__ = fault
        _fail(each, own)


def _fail(one: _Waiting[Item, Outcome], error: Exception) -> None:
    """The caller may have gone; an exception that nobody fetches would be logged."""
    if not one.outcome.done():
        one.outcome.set_exception(error)
