"""Many new rows of a table.

On PostgreSQL in one statement: the values go as an array for each column, which `unnest` makes rows
of, and the server plans and runs it once instead of once for each row. Only what looks for nothing
is done so: where rows have to be found, a plan for many that was made while the table was small
would read all of it when it is large.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    FromClause,
    Insert,
    String,
    Table,
    Text,
    bindparam,
    column,
    func,
    insert,
    select,
)
from sqlalchemy.types import TypeEngine

from adapters.sql.engine import AsyncConnection


async def add_rows(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Rows with a value for each column of the table, by its name."""
    if connection.dialect.name == "postgresql":
        names = table.columns.keys()
        arrays = {name: [row[name] for row in rows] for name in names}
        await connection.execute(_insert_many(table), arrays)
    else:
        await connection.execute(insert(table), rows)


@cache
def _insert_many(table: Table) -> Insert:
    given = unnested({each.name: kind_of(each) for each in table.columns})
    return insert(table).from_select(list(given.columns.keys()), select(given))


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
