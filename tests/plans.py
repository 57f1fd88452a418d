"""How the databases go about the statements that they are really sent."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.sql.database import Database
from adapters.sql.orders import SqlOrders
from application.pages import Position
from application.ports.orders import OrderFilter


@dataclass(frozen=True, slots=True)
class Executed:
    """A statement as the database was given it."""

    statement: str
    parameters: Any


async def executed_for_page(
    database: Database, which: OrderFilter, after: Position, limit: int
) -> Executed:
    """What is really sent for a page that is full."""

    async def ask() -> None:
        page = await SqlOrders(database).page(which, after, limit)
        assert len(page.items) == limit

    (executed,) = await executed_by(database, ask)
    return executed


async def executed_by(database: Database, ask: Callable[[], Awaitable[object]]) -> list[Executed]:
    """What is really sent, the first first."""
    seen: list[Executed] = []
    with pytest.MonkeyPatch.context() as patched:
        if database.is_postgresql:
            _watch_driver(patched, database, seen)
        _watch_engine(patched, database, seen)
        await ask()
    return seen


def _watch_driver(patched: pytest.MonkeyPatch, database: Database, seen: list[Executed]) -> None:
    fetch = database._driver.fetch

    async def noted(statement: str, arguments: Sequence[Any]) -> list[Any]:
        seen.append(Executed(statement, arguments))
        return await fetch(statement, arguments)

    patched.setattr(database._driver, "fetch", noted)


def _watch_engine(patched: pytest.MonkeyPatch, database: Database, seen: list[Executed]) -> None:
    dialect = database._reader.sync_engine.dialect
    execute = dialect.do_execute

    def noted(cursor: Any, statement: str, parameters: Any, context: Any) -> None:
        seen.append(Executed(statement, parameters))
        execute(cursor, statement, parameters, context)

    patched.setattr(dialect, "do_execute", noted)


async def explain(database: Database, how: str, executed: Executed) -> list[Any]:
    """The rows of the plan; `how` is EXPLAIN with its options."""
    statement = f"{how} {executed.statement}"
    if database.is_postgresql:
        return await database._driver.fetch(statement, executed.parameters)
    async with database.statement() as connection:
        return list(
            await connection.run_sync(
                lambda sync: sync.exec_driver_sql(statement, executed.parameters).all()
            )
        )
