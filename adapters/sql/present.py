"""The present moment, as a database tells it."""

from typing import Any

from sqlalchemy import ColumnElement, func, literal

from adapters.sql.database import Database
from adapters.sql.moment import Moment
from application.ports.clock import Clock


def present(database: Database, clock: Clock) -> ColumnElement[Any]:
    """The database's own clock where it has one, so that processes whose clocks disagree agree on
    leases; else that of this process."""
    if database.is_postgresql:
        return func.statement_timestamp(type_=Moment)
    return literal(clock.now(), Moment)
