"""SQLAlchemy's language with the driver's speed: statements that are compiled once."""

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

from sqlalchemy import BindParameter, Dialect, Executable, Insert, Select, Update
from sqlalchemy.types import TypeDecorator

Processor = Callable[[Any], Any]


class Statement:
    """A Core statement whose every value is a named parameter (`bindparam`).

    SQLAlchemy compiles it once, when it is first used; after that PostgreSQL's driver is given the
    text and the values in its order, which costs a fifth of `AsyncConnection.execute`.
    """

    def __init__(self, core: Select[Any] | Insert | Update) -> None:
        self.core: Executable = core

    @cached_property
    def text(self) -> str:
        """SQL with $1, $2 and so on."""
        return str(self._compiled)

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of `text`. Raises KeyError for one that is not given."""
        arguments = [values[name] for name in self._names]
        for place, process in self._processors:
            arguments[place] = process(arguments[place])
        return arguments

    @cached_property
    def _compiled(self) -> Any:
        return self.core.compile(dialect=_postgresql())  # type: ignore[attr-defined]

    @cached_property
    def _names(self) -> list[str]:
        names: list[str] = self._compiled.positiontup
        return names

    @cached_property
    def _processors(self) -> list[tuple[int, Processor]]:
        """Each with the place of its value; most values need none."""
        found = [_processor(self._compiled.binds[name]) for name in self._names]
        return [(place, process) for place, process in enumerate(found) if process is not None]


@cache
def _postgresql() -> Dialect:
    # Imported when used: on SQLite a process does without it.
    from sqlalchemy.dialects.postgresql import asyncpg

    dialect: Dialect = asyncpg.dialect()  # type: ignore[no-untyped-call]
    return dialect


def _processor(parameter: BindParameter[Any]) -> Processor | None:
    """Only our own types do something with a value that the driver would not do itself."""
    kind = parameter.type
    return kind.bind_processor(_postgresql()) if isinstance(kind, TypeDecorator) else None
