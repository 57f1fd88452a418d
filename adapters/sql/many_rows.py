"""The same change of many rows.

On PostgreSQL it is one statement: the values go as an array for each column, which `unnest` makes
rows of, and the server plans and runs it once instead of once for each row. SQLite, which has no
arrays, is in the process: there the statement is run again for each row.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    String,
    Table,
    Text,
    bindparam,
    column,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

Given = Mapping[str, ColumnElement[Any]]
"""What a statement takes its values from, by column name."""

_KEY: Final = ("id", "merchant_id")


class ManyRows:
    """`statement` is made of parameters for one row, or of the rows of all."""

    def __init__(self, columns: Iterable[Column[Any]], statement: Callable[[Given], UpdateBase]):
        self._columns: Final = {each.name: each for each in columns}
        self._statement: Final = statement

    async def execute(self, connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows have a value for each column by its name; what else they have is not used. No row of
        the table may be meant twice."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            arrays = {_parameter(name): [row[name] for row in rows] for name in self._columns}
            await connection.execute(self._together, arrays)
        else:
            singly = [{_parameter(name): row[name] for name in self._columns} for row in rows]
            await connection.execute(self._one, singly)

    @cached_property
    def _one(self) -> UpdateBase:
        return self._statement(
            {name: bindparam(_parameter(name), type_=of.type) for name, of in self._columns.items()}
        )

    @cached_property
    def _together(self) -> UpdateBase:
        given = unnested({_parameter(name): kind_of(of) for name, of in self._columns.items()})
        return self._statement({name: given.c[_parameter(name)] for name in self._columns})


def rows_saved(table: Table, names: Sequence[str]) -> ManyRows:
    """The columns `names` of rows that are there already, found by primary key."""
    return ManyRows(
        [table.c[name] for name in (*_KEY, *names)],
        lambda given: (
            update(table)
            .where(*[table.c[name] == given[name] for name in _KEY])
            .values({name: given[name] for name in names})
        ),
    )


def rows_added(table: Table) -> ManyRows:
    return ManyRows(
        table.columns,
        lambda given: insert(table).from_select(list(given), select(*given.values())),
    )


def unnested(kinds: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """A row for each place of the arrays that are the parameters of these names. On PostgreSQL."""
    # Imported when used: on SQLite a process does without PostgreSQL's dialect.
    from sqlalchemy.dialects import postgresql

    arrays = [bindparam(name, type_=postgresql.ARRAY(kind)) for name, kind in kinds.items()]
    columns = [column(name, kind) for name, kind in kinds.items()]
    return func.unnest(*arrays).table_valued(*columns).render_derived()


def kind_of(column: Column[Any]) -> TypeEngine[Any]:
    """A cast to varchar(n) would cut silently what the column refuses."""
    return Text() if isinstance(column.type, String) else column.type


def _parameter(name: str) -> str:
    """Of another name than the column, for an update's own parameters have those."""
    return f"given_{name}"
