"""What arrives while a commit is under way is committed together by the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class TooManyWait(Exception):
    """More arrives than can be committed; this was not taken."""


class NotCommitted(Exception):
    """The batch was not committed, or nobody knows. The message says why."""


class GroupCommit(Generic[Item, Result]):
    """`together` commits several items at once and answers their results in the order of the
    items. At most `batch` go together, and at most `waiting` wait."""

    def __init__(
        self,
        together: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        batch: int,
        waiting: int,
    ) -> None:
        self._together = together
        self._batch = batch
        self._most_waiting = waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def commit(self, item: Item) -> Result:
        """The item's result. Whoever stops waiting does not take it back.

        Raises TooManyWait at once, and NotCommitted.
        """
        if len(self._waiting) >= self._most_waiting:
            raise TooManyWait
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, result))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await result

    async def drain(self) -> None:
        """Wait until nothing waits and nothing is under way."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), self._batch)
                await self._commit([self._waiting.popleft() for _ in range(count)])
        finally:
            self._running = None

    async def _commit(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._together([item for item, _ in batch])
        except Exception as error:  # whatever it was, nobody may be left waiting
            for _, waiting in batch:
                if not waiting.done():
                    # One of its own for each: a traceback is not shared.
                    waiting.set_exception(NotCommitted(str(error)))
            return
        for (_, waiting), result in zip(batch, results, strict=True):
            if not waiting.done():
                waiting.set_result(result)
