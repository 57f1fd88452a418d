"""A store that tells which records it wrote together, and which ones alone."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from adapters.sql.database import Database
from adapters.sql.group_commit import GroupLimits
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.placements import Placement
from adapters.system import SystemClock
from application.ports.idempotency import Record, Standing


class WatchedStore(SqlIdempotencyStore):
    """`met` counts what became of what was written together."""

    def __init__(
        self,
        database: Database,
        *,
        busy_seconds: float = 10.0,
        unknown_seconds: float = 10.0,
        together: GroupLimits | None = None,
    ) -> None:
        super().__init__(
            database,
            SystemClock(),
            busy_seconds=busy_seconds,
            unknown_seconds=unknown_seconds,
            together=together,
        )
        self.batches: list[list[str]] = []
        self.alone: list[str] = []
        self.met: Counter[str] = Counter()

    async def record_at_once(self, records: Sequence[Record]) -> list[Standing | BaseException]:
        """What each was told, in order; those that can are written in one batch."""
        return await asyncio.gather(
            *(self.record(record) for record in records), return_exceptions=True
        )

    async def _write_together(self, batch: Sequence[Placement]) -> list[Any]:
        self.batches.append([placement.record.answer.key for placement in batch])
        outcomes = await super()._write_together(batch)
        self.met.update(getattr(outcome, "name", "ANSWERED") for outcome in outcomes)
        return outcomes

    async def _write_alone(self, placement: Placement) -> Any:
        self.alone.append(placement.record.answer.key)
        return await super()._write_alone(placement)
