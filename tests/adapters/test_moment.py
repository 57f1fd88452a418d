"""Moments, exact to the microsecond in both databases."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select
from sqlalchemy.exc import StatementError

from adapters.sql.database import Database
from adapters.sql.moment import Moment
from tests.examples import EPOCH, moments

pytestmark = pytest.mark.anyio

MICROSECOND = timedelta(microseconds=1)
through_databases = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


async def ask(database: Database, *columns: Any) -> tuple[Any, ...]:
    async with database.statement() as connection:
        return tuple((await connection.execute(select(*columns))).one())


@through_databases
@example(EPOCH)
@example(EPOCH - MICROSECOND)
# The first and the last moment of the calendar stand for infinity in PostgreSQL's driver.
@example(datetime(1, 1, 1, tzinfo=UTC) + MICROSECOND)
@example(datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC))
@given(moments)
async def test_a_moment_comes_back_exactly_and_in_utc(database: Database, moment: datetime) -> None:
    (found,) = await ask(database, literal(moment, Moment))
    assert found == moment
    assert found.tzinfo is UTC


@through_databases
@given(moments, st.integers(-14 * 60, 14 * 60))
async def test_a_moment_of_another_zone_is_the_same_moment(
    database: Database, moment: datetime, minutes: int
) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert await ask(database, literal(elsewhere, Moment)) == (moment,)


@through_databases
@given(moments, st.integers(0, 2))
async def test_neighbouring_moments_keep_their_order(
    database: Database, moment: datetime, apart: int
) -> None:
    later = literal(moment + apart * MICROSECOND, Moment)
    found = await ask(database, later > literal(moment, Moment), later == literal(moment, Moment))
    assert tuple(map(bool, found)) == (apart > 0, apart == 0)


async def test_no_moment_is_no_moment(database: Database) -> None:
    assert await ask(database, literal(None, Moment)) == (None,)


async def test_a_moment_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="a moment has a time zone"):
        await ask(database, literal(datetime(2026, 11, 21), Moment))  # noqa: DTZ001
