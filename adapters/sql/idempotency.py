"""The truth about idempotency keys: rows, constraints and one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from enum import Enum, auto
from functools import partial
from typing import Final, TypeAlias
from uuid import UUID

from sqlalchemy import BigInteger, and_, bindparam, func, insert, literal, select, tuple_, update

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.group_commit import GroupCommit, GroupLimits
from adapters.sql.placements import Placement, insertion, placement_of
from adapters.sql.present import present
from adapters.sql.reads import fetch, read
from adapters.sql.recording import Rows, claim_insert, lock_key_of, rows_of
from adapters.sql.rows import Row, row_to_answer
from adapters.sql.statement import Statement
from adapters.sql.tables import idempotency_keys
from adapters.sql.writes import TRIES
from application.ports.clock import Clock
from application.ports.faults import (
    ChangedMeanwhile,
    KeyInProgress,
    OutcomeUnknown,
    StorageUnavailable,
)
from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer

_FIND: Final = Statement(
    select(idempotency_keys).where(
        idempotency_keys.c.merchant_id == bindparam("merchant_id"),
        idempotency_keys.c.key == bindparam("key"),
    )
)
_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.2


class _Written(Enum):
    MADE = auto()
    TAKEN = auto()
    """Another answer stands under the key."""
    BUSY = auto()
    """Another transaction holds the key at this moment."""


_Outcome: TypeAlias = _Written | StoredAnswer
"""What became of a record; the answer that stands under its key where it is at hand."""

_Write: TypeAlias = Callable[[], Awaitable[_Outcome]]
"""One attempt."""


class SqlIdempotencyStore(IdempotencyStore):
    """On PostgreSQL the key's advisory lock says that a key is being worked on; on SQLite the one
    writer does. There is never a committed row that says "in progress", so no key can get stuck.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        busy_seconds: float = 2.0,
        unknown_seconds: float = 10.0,
        together: GroupLimits | None = None,
    ) -> None:
        """A busy key is waited for `busy_seconds`, a broken commit followed up for
        `unknown_seconds`. On PostgreSQL new orders share commits, within the limits of
        `together`."""
        self._database = database
        self._clock = clock
        self._busy_seconds = busy_seconds
        self._unknown_seconds = unknown_seconds
        self._commits = GroupCommit(
            self._write_together, self._write_alone, together or GroupLimits(), clock
        )

    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        return None

    async def record(self, record: Record) -> Standing:
        write = self._way_of(record)
        try:
            written = await write()
        except TransactionConflict:
            written = await self._write_persistently(write, TRIES - 1)
        except ConnectionLost:
            written = await self._find_out(write)
        if written is _Written.BUSY:
            written = await self._write_when_free(write)
        if written is _Written.MADE:
            return Standing(answer=record.answer, fresh=True)
        if isinstance(written, StoredAnswer):
            return _as_standing(record, written)
        return await self._standing(record)

    def _way_of(self, record: Record) -> _Write:
        """How it is written: with others, or in a transaction of its own."""
        answer = record.answer
        lock_key = lock_key_of(answer.merchant_id, answer.key)
        if self._database.is_postgresql:
            placement = placement_of(record, lock_key)
            if placement is not None:
                return partial(self._commits.write, placement)
        return partial(self._write_in_steps, self._rows_of(record), lock_key)

    async def _write_when_free(self, write: _Write) -> _Outcome:
        """After whoever works under the key at this moment. Raises KeyInProgress."""
        pauses = _Pauses(self._clock, self._busy_seconds)
        while await pauses.take():
            written = await self._write_persistently(write)
            if written is not _Written.BUSY:
                return written
        raise KeyInProgress

    async def _write_persistently(self, write: _Write, tries: int = TRIES) -> _Outcome:
        """Through conflicts and broken connections to a known end."""
        try:
            return await self._write_through_conflicts(write, tries)
        except ConnectionLost:
            return await self._find_out(write)

    async def _find_out(self, write: _Write) -> _Outcome:
        """The connection broke when the commit may have been under way: do it again. Getting the
        key's lock proves that the old transaction has ended, and the claim then shows whether it
        had committed: what stands under the key is ours, or nothing."""
        pauses = _Pauses(self._clock, self._unknown_seconds)
        while await pauses.take():
            with suppress(ConnectionLost, StorageUnavailable):
                written = await self._write_through_conflicts(write)
                if written is not _Written.BUSY:
                    return written
        raise OutcomeUnknown

    async def _write_through_conflicts(self, write: _Write, tries: int = TRIES) -> _Outcome:
        fault: Exception | None = None
        for _ in range(tries):
            try:
                return await write()
            except TransactionConflict as error:
                fault = error
        raise StorageUnavailable("The database was too busy.") from fault

    async def _write_together(self, batch: Sequence[Placement]) -> list[_Outcome]:
        refused = await self._database.fetch(*insertion(batch))
        outcomes = {row["order_id"]: _outcome(row) for row in refused}
        if not outcomes:
            return [_Written.MADE] * len(batch)
        return [outcomes.get(each.record.answer.resource_id, _Written.MADE) for each in batch]

    async def _write_alone(self, placement: Placement) -> _Outcome:
        return await self._write_in_steps(self._rows_of(placement.record), placement.lock_key)

    def _rows_of(self, record: Record) -> Rows:
        return rows_of(record, present(self._database, self._clock))

    async def _write_in_steps(self, rows: Rows, lock_key: int) -> _Written:
        async with self._database.transaction() as connection:
            if not await self._try_lock(connection, lock_key):
                return _Written.BUSY
            insert_claim = claim_insert(rows.claim, on_postgresql=self._database.is_postgresql)
            claim = await connection.execute(insert_claim)
            if claim.rowcount == 0:
                return _Written.TAKEN
            # What was changed meanwhile is found out first: what is made of it would clash.
            for statement in rows.changed:
                if (await connection.execute(statement)).rowcount == 0:
                    raise ChangedMeanwhile
            for table, row in rows.made:
                await connection.execute(insert(table).values(row))
        return _Written.MADE

    async def _standing(self, record: Record) -> Standing:
        try:
            found = await self.find(record.answer.merchant_id, record.answer.key)
        except StorageUnavailable as error:
            # What stands there may be ours, from before the connection broke.
            raise OutcomeUnknown from error
        if found is None:
            # A claim was refused by a row that is not there: the row never goes away, so this
            # can only be a database that was set back. Trying again is right.
            raise StorageUnavailable("The database changed under the request.")
        return _as_standing(record, found)

    async def find(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        rows = await fetch(self._database, _FIND, {"merchant_id": merchant_id, "key": key})
        return row_to_answer(rows[0]) if rows else None

    async def is_running(self, merchant_id: UUID, key: str) -> bool:
        if not self._database.is_postgresql:
            return False
        lock_key = lock_key_of(merchant_id, key)

        async def query(connection: AsyncConnection) -> bool:
            return not await self._try_lock(connection, lock_key)

        return await read(self._database, query)

    async def drop_expired_bodies(self, now: datetime, limit: int) -> int:
        keys = idempotency_keys.c
        expired = (
            select(keys.merchant_id, keys.key)
            .where(and_(keys.body.is_not(None), keys.expires_at <= now))
            .order_by(keys.expires_at)
            .limit(limit)
        )
        if self._database.is_postgresql:
            # In a CTE, for a subquery that locks is carried out anew for each row where the planner
            # takes the table for an empty one, and finds others each time.
            expired = select(expired.with_for_update(skip_locked=True).cte("expired"))
        statement = (
            update(idempotency_keys)
            .where(tuple_(keys.merchant_id, keys.key).in_(expired))
            .values(body=None)
        )
        try:
            async with self._database.transaction() as connection:
                return (await connection.execute(statement)).rowcount
        except (ConnectionLost, TransactionConflict) as error:
            raise StorageUnavailable("The database was busy or went away.") from error

    async def drain(self) -> None:
        """Wait until every commit that was begun has ended."""
        await self._commits.drain()

    async def _try_lock(self, connection: AsyncConnection, lock_key: int) -> bool:
        if not self._database.is_postgresql:
            return True
        attempt = select(func.pg_try_advisory_xact_lock(literal(lock_key, BigInteger)))
        return bool(await connection.scalar(attempt))


def _outcome(refused: Row) -> _Outcome:
    """Of a row that the insertion of placements answers."""
    if refused["merchant_id"] is not None:
        return row_to_answer(refused)
    return _Written.TAKEN if refused["held"] else _Written.BUSY


def _as_standing(record: Record, found: StoredAnswer) -> Standing:
    """Ours when it is what we would have stored, to the byte, in an attempt whose end we did not
    see. That it tells of the same resource is not enough: two captures of an order do."""
    ours = record.answer
    fresh = (found.resource_id, found.created_at, found.body) == (
        ours.resource_id,
        ours.created_at,
        ours.body,
    )
    return Standing(answer=found, fresh=fresh)


class _Pauses:
    """Growing pauses until a time is up."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._pause = _PAUSE_SECONDS
        self._started: float | None = None

    async def take(self) -> bool:
        """False when the time is up."""
        now = self._clock.monotonic()
        self._started = now if self._started is None else self._started
        if now - self._started >= self._seconds:
            return False
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        return True
