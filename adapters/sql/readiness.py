"""Whether the database answers and has the schema that this code needs."""

import asyncio
from datetime import datetime
from typing import Final

from sqlalchemy import String, column, func, select, table, text
from sqlalchemy.exc import DBAPIError

from adapters.sql.database import Database
from adapters.sql.engine import AsyncConnection
from adapters.sql.reads import read
from adapters.sql.tables import SCHEMA_REVISION
from application.ports.clock import Clock
from application.ports.faults import StorageUnavailable
from application.ports.readiness import Finding, ReadinessProbe

_PATIENCE_SECONDS: Final = 5.0
_CLOCKS_APART_SECONDS: Final = 2.0
_VERSION_TABLE: Final = table("alembic_version", column("version_num", String))


class DatabaseProbe(ReadinessProbe):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def examine(self) -> Finding:
        return Finding(name="database", problem=await self._problem())

    async def _problem(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                revision = await schema_revision(self._database)
        except (StorageUnavailable, TimeoutError):
            return "The database cannot be reached: check HARBOR_DATABASE_URL and the server."
        if revision is None:
            return "The database has no tables yet: run `harbor migrate`."
        # A newer one is that of a version that is being rolled out: migrations only go forwards
        # in ways that the version before can live with.
        if revision < SCHEMA_REVISION:
            return f"The database is at {revision}, not {SCHEMA_REVISION}: run `harbor migrate`."
        return None


class DurabilityProbe(ReadinessProbe):
    """A PostgreSQL that acknowledges before it has written loses orders when it crashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def examine(self) -> Finding:
        problem = None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                off = await read(self._database, self._what_is_off)
            if off:
                problem = f"Acknowledged orders can be lost: {', '.join(off)} is off."
        except (StorageUnavailable, TimeoutError):
            problem = "The database cannot be reached."
        return Finding(name="durability", problem=problem, required=False)

    async def _what_is_off(self, connection: AsyncConnection) -> list[str]:
        if not self._database.is_postgresql:
            return []
        settings = ("fsync", "synchronous_commit", "full_page_writes")
        values = [await connection.scalar(text(f"SHOW {name}")) for name in settings]
        return [name for name, value in zip(settings, values, strict=True) if value == "off"]


class ClockProbe(ReadinessProbe):
    """Orders are dated by this machine's clock, in a database that others date by theirs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def examine(self) -> Finding:
        problem = None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                apart = await self._seconds_apart()
            if apart > _CLOCKS_APART_SECONDS:
                problem = f"This clock and the database's are {apart:.1f} s apart: check NTP."
        except (StorageUnavailable, TimeoutError):
            problem = "The database cannot be reached."
        return Finding(name="clock", problem=problem, required=False)

    async def _seconds_apart(self) -> float:
        if not self._database.is_postgresql:
            return 0.0

        async def query(connection: AsyncConnection) -> datetime:
            now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            return now

        theirs = await read(self._database, query)
        return abs((self._clock.now() - theirs).total_seconds())


async def schema_revision(database: Database) -> str | None:
    """The newest migration the database has had; None when it has none.
    Raises StorageUnavailable."""

    async def query(connection: AsyncConnection) -> str | None:
        try:
            revision: str | None = await connection.scalar(select(_VERSION_TABLE.c.version_num))
        except DBAPIError as error:
            if is_missing_table(error):
                return None
            raise
        return revision

    return await read(database, query)


def is_missing_table(error: DBAPIError) -> bool:
    undefined_table = "42P01"
    return getattr(error.orig, "sqlstate", None) == undefined_table or "no such table" in str(
        error.orig
    )
