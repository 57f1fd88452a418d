"""What a database error means for the one who waits on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from application.ports.faults import StorageUnavailable


class TransactionConflict(Exception):
    """The database ended the transaction because of another one; the same again may succeed."""


class ConnectionLost(Exception):
    """The connection broke in the middle: what was sent may or may not have been done."""


_CONFLICTS: Final = frozenset({"40001", "40P01", "55P03", "0A000"})
"""serialization_failure, deadlock_detected, lock_not_available, and feature_not_supported, which
is how a statement fails that was prepared before a migration."""

_REFUSALS: Final = frozenset({"57014", "25P03", "25006", "42501", "42P01", "42703"})
"""query_canceled, idle_in_transaction_session_timeout, read_only_sql_transaction (a standby),
insufficient_privilege, undefined_table and undefined_column (not migrated)."""

_REFUSAL_CLASSES: Final = frozenset({"53", "58", "3D", "28"})
"""Insufficient resources (disk, memory, connections), system error, no such database, bad login."""

_LOSSES: Final = frozenset({"57P01", "57P02", "57P03", "57P04", "57P05"})
"""The server shuts down, crashed, starts up, dropped the database, ended an idle session."""

_SQLITE_REFUSALS: Final = ("full", "readonly", "unable to open", "no such table", "no such column")

UNREACHABLE: Final = "The database cannot be reached or cannot work now."


@contextmanager
def acquiring() -> Iterator[None]:
    """Around getting a connection: nothing has been sent, so every failure is harmless."""
    try:
        yield
    except (DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
        raise StorageUnavailable(UNREACHABLE) from error


@contextmanager
def using() -> Iterator[None]:
    """Around work on a connection.

    Raises TransactionConflict, ConnectionLost, StorageUnavailable; a mistake of ours (bad SQL, a
    violated constraint) goes through as it is, for it is a bug.
    """
    try:
        yield
    except DBAPIError as error:
        raise _meaning(error) from error
    except OSError as error:
        raise ConnectionLost from error


def of_driver(error: Exception, *, broken: bool) -> Exception:
    """What an error of PostgreSQL's driver means, as in `using`. `broken` says that the
    connection is closed."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return ConnectionLost() if broken or isinstance(error, OSError) else error
    return _meaning_of_state(state) or error


def _meaning(error: DBAPIError) -> Exception:
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return _meaning_without_state(error)
    return _meaning_of_state(state) or error


def _meaning_of_state(state: str) -> Exception | None:
    if state in _CONFLICTS:
        return TransactionConflict()
    if state in _REFUSALS or state[:2] in _REFUSAL_CLASSES:
        return StorageUnavailable(UNREACHABLE)
    if state in _LOSSES or state.startswith("08"):
        return ConnectionLost()
    return None


def _meaning_without_state(error: DBAPIError) -> Exception:
    if error.connection_invalidated:
        return ConnectionLost()
    text = str(error.orig).lower()
    if "locked" in text or "busy" in text:
        return TransactionConflict()
    if any(sign in text for sign in _SQLITE_REFUSALS):
        return StorageUnavailable(UNREACHABLE)
    if "disk i/o" in text or "connection" in text:
        return ConnectionLost()
    return error
