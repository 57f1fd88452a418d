"""Bring a database forward to the schema that this code needs."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from adapters.sql.database import Database
from adapters.sql.faults import ConnectionLost, TransactionConflict
from adapters.sql.readiness import schema_revision
from adapters.sql.tables import SCHEMA_REVISION
from application.ports.faults import StorageUnavailable

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_MIGRATION_LOCK: Final = 0x4841_5242_4F52
"""The advisory lock that keeps two migrations from running at once ("HARBOR")."""


async def migrate(database: Database) -> bool:
    """Run the migrations that are missing, all in one transaction; False when there were none,
    also because the database is that of a newer version.

    Several processes may call it at once: they take turns. Raises StorageUnavailable.
    """
    revision = await schema_revision(database)
    if revision is not None and revision >= SCHEMA_REVISION:
        return False
    try:
        async with database.transaction(patient=True) as connection:
            if database.is_postgresql:
                # Another process may be migrating for a long time: wait for it as long as it takes.
                await connection.execute(text("SET LOCAL lock_timeout = 0"))
                await connection.execute(text("SET LOCAL statement_timeout = 0"))
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK}
                )
            return await connection.run_sync(_upgrade)
    except (ConnectionLost, TransactionConflict) as error:
        raise StorageUnavailable("The database went away during the migration.") from error


def _upgrade(connection: Connection) -> bool:
    """False when another process was quicker."""
    # Imported here: a start that has nothing to migrate does not pay for it.
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext

    if MigrationContext.configure(connection).get_current_revision() == SCHEMA_REVISION:
        return False
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
