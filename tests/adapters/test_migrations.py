"""The schema: made from nothing, once, and equal to what the code speaks of."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, UniqueConstraint, column, insert, inspect, select
from sqlalchemy import table as table_of

from adapters.sql import migrate as module
from adapters.sql.database import Database
from adapters.sql.merchants import SqlMerchants
from adapters.sql.migrate import migrate
from adapters.sql.readiness import schema_revision
from adapters.sql.rows import (
    event_to_row,
    operation_to_row,
    order_to_row,
    row_to_event,
    row_to_operation,
    row_to_order,
)
from adapters.sql.tables import SCHEMA_REVISION, events, metadata, orders, payment_operations
from tests.databases import Databases, closing
from tests.examples import a_merchant, a_new_key, a_placement, document_of

pytestmark = [
    pytest.mark.anyio,
    # SQLAlchemy's own, of what it has just read itself: a constraint that is NOT VALID.
    pytest.mark.filterwarnings("ignore:Can't validate argument 'dialect_options'"),
]


@pytest.fixture
async def empty_url(databases: Databases) -> AsyncIterator[str]:
    async with databases.fresh(migrated=False) as url:
        yield url


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    async with closing(Database(empty_url)) as opened:
        yield opened


async def differences(database: Database) -> list[Any]:
    def compare(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    async with database.transaction() as connection:
        return await connection.run_sync(compare)


async def test_migrating_nothing_makes_exactly_the_schema_of_the_code(empty: Database) -> None:
    assert await schema_revision(empty) is None
    assert await migrate(empty)
    assert await schema_revision(empty) == SCHEMA_REVISION
    assert await differences(empty) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    merchant = a_merchant()
    await SqlMerchants(database).add(merchant, a_new_key(merchant.id).key)
    assert not await migrate(database)
    assert await SqlMerchants(database).exists(merchant.id)


async def test_several_that_migrate_at_once_take_turns(empty_url: str) -> None:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(closing(Database(empty_url))) for _ in range(4)]
        results = await asyncio.gather(*(migrate(database) for database in opened))
        assert sorted(results) == [False, False, False, True]
        assert await differences(opened[0]) == []


MIGRATE = """
import asyncio, sys
from adapters.sql.database import Database
from adapters.sql.migrate import migrate

async def main():
    database = Database(sys.argv[1])
    print(await migrate(database))
    await database.close()

asyncio.run(main())
"""


async def test_several_processes_that_migrate_at_once_take_turns(
    empty_url: str, empty: Database
) -> None:
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", MIGRATE, empty_url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(output.strip() for output, _ in outputs) == [b"False", b"False", b"True"]
    assert await differences(empty) == []


async def test_a_migration_that_fails_leaves_nothing(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = module._upgrade

    def upgrade_and_fail(connection: Connection) -> bool:
        upgrade(connection)
        raise RuntimeError("the power went out")

    monkeypatch.setattr(module, "_upgrade", upgrade_and_fail)
    with pytest.raises(RuntimeError, match="the power went out"):
        await migrate(empty)
    monkeypatch.undo()
    assert await schema_revision(empty) is None
    assert await migrate(empty)
    assert await differences(empty) == []


def test_the_revision_that_the_code_needs_is_the_newest() -> None:
    config = Config()
    config.set_main_option("script_location", str(module._SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [SCHEMA_REVISION]


def test_the_merchant_stands_in_every_key() -> None:
    """So that no row of one merchant can refer to, or clash with, another's, and the schema can be
    distributed by merchant."""
    for table in metadata.sorted_tables:
        if table.name == "merchants":
            continue
        unique = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
        for constraint in (table.primary_key, *unique, *table.foreign_key_constraints):
            assert "merchant_id" in constraint.columns, constraint.name
        assert not any(
            index.unique and "merchant_id" not in index.columns for index in table.indexes
        )


async def test_what_was_placed_before_a_migration_is_there_after_it(empty: Database) -> None:
    def upgrade_to_the_first(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(module._SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    change = a_placement()
    assert change.operation is not None
    rows = {
        "orders": order_to_row(change.order),
        "payment_operations": operation_to_row(change.operation),
        "order_events": event_to_row(change.event, document_of(change.order).decode()),
    }
    async with empty.transaction() as connection:
        await connection.run_sync(upgrade_to_the_first)
        for name, row in rows.items():
            reflected = await connection.run_sync(partial(_columns_of, table=name))
            now = metadata.tables[name.removeprefix("order_")]
            kept = {column: value for column, value in row.items() if column in reflected}
            assert len(kept) < len(row)
            then = table_of(name, *(column(each.name, each.type) for each in now.columns))
            await connection.execute(insert(then).values(kept))
    assert await migrate(empty)
    assert await differences(empty) == []
    async with empty.statement() as connection:
        order = (await connection.execute(select(orders))).mappings().one()
        operation = (await connection.execute(select(payment_operations))).mappings().one()
        event = (await connection.execute(select(events))).mappings().one()
    assert row_to_order(order) == change.order
    assert row_to_operation(operation) == change.operation
    assert (row_to_event(event), event["sequence"]) == (change.event, None)


def _columns_of(connection: Connection, table: str) -> set[str]:
    return {column["name"] for column in inspect(connection).get_columns(table)}
