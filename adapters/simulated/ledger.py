"""The simulated gateway's own durable memory: a SQLite file that several processes may share."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from adapters.simulated.books import Books, Call, EffectPage, Position
from adapters.simulated.clerk import Clerk, LedgerBusy, LedgerUnavailable
from adapters.simulated.group_commit import GroupCommit, NotCommitted, TooManyWait
from adapters.simulated.payment_methods import Reply
from application.ports.clock import Clock
from application.ports.gateway import GatewayRequest
from domain.payment import Approved, Declined

PAGE: Final = 500
_BATCH: Final = 256
_MOST_WAITING: Final = 4_096


class Ledger:
    """What it has answered is on the disk. Whoever is canceled may have been carried out.

    A key is remembered for 24 hours by `clock`; after that it is carried out again, as with real
    gateways. The same reference under another key is another effect, and both stay on the books.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._writer = Clerk(path)
        # Who only looks does not wait for what is being written.
        self._reader = Clerk(path)
        self._commits: GroupCommit[GatewayRequest, Reply] = GroupCommit(
            self._carry_out_together, batch=_BATCH, waiting=_MOST_WAITING
        )

    async def carry_out(self, request: GatewayRequest) -> Reply:
        """Raises LedgerBusy, when it was not taken, and LedgerUnavailable."""
        try:
            return await self._commits.commit(request)
        except TooManyWait as error:
            raise LedgerBusy("More is asked of the ledger than it can write.") from error
        except NotCommitted as error:
            raise LedgerUnavailable(str(error)) from error

    async def find(self, reference: str) -> Approved | Declined | None:
        """None when nothing was carried out for it. Raises LedgerUnavailable."""
        return await self._reader.read(
            lambda connection: Books(connection).find(reference, self._clock.now())
        )

    async def effects(self, since: datetime, after: Position | None = None) -> EffectPage:
        """In the order of time, a page at a time. Raises LedgerUnavailable."""
        return await self._reader.read(
            lambda connection: Books(connection).effects(since, after, PAGE)
        )

    async def calls(self, key: str) -> tuple[Call, ...]:
        """Those that arrived, whatever came of them. Raises LedgerUnavailable."""
        return await self._reader.read(lambda connection: Books(connection).calls(key))

    async def examine(self) -> None:
        """Raises LedgerUnavailable unless the ledger can be written."""
        await self._writer.write(lambda _: None)

    async def close(self) -> None:
        """When what is under way is committed."""
        await self._commits.drain()
        await self._writer.close()
        await self._reader.close()

    async def _carry_out_together(self, requests: Sequence[GatewayRequest]) -> Sequence[Reply]:
        return await self._writer.write(partial(self._carry_out, requests))

    def _carry_out(
        self, requests: Sequence[GatewayRequest], connection: Connection
    ) -> Sequence[Reply]:
        books = Books(connection)
        return [books.carry_out(request, self._clock.now()) for request in requests]
