"""The ledger's tables. Moments are microseconds since 1970, amounts minor units."""

from typing import Final

SCHEMA_VERSION: Final = 1

SCHEMA: Final = (
    # Every call that arrived, counted for each key. `reused` are those that were refused because
    # the key stands for another request.
    """
    CREATE TABLE calls (
        key TEXT NOT NULL,
        number INTEGER NOT NULL,
        reference TEXT NOT NULL,
        request TEXT NOT NULL,
        reused INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (key, number)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE payments (
        id TEXT NOT NULL PRIMARY KEY,
        state TEXT NOT NULL,
        currency TEXT NOT NULL,
        authorized INTEGER NOT NULL,
        captured INTEGER NOT NULL CHECK (captured <= authorized),
        refunded INTEGER NOT NULL CHECK (refunded <= captured),
        expires_at INTEGER
    ) WITHOUT ROWID
    """,
    # What was done. Nothing here ever changes: it is the judge of what was charged.
    """
    CREATE TABLE effects (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        reference TEXT NOT NULL,
        key TEXT NOT NULL,
        kind TEXT NOT NULL,
        payment TEXT NOT NULL REFERENCES payments (id),
        amount INTEGER NOT NULL,
        currency TEXT NOT NULL,
        at INTEGER NOT NULL
    )
    """,
    "CREATE INDEX effects_at ON effects (at)",
    """
    CREATE TRIGGER effects_never_change BEFORE UPDATE ON effects
    BEGIN SELECT RAISE(ABORT, 'an effect never changes'); END
    """,
    """
    CREATE TRIGGER effects_stay BEFORE DELETE ON effects
    BEGIN SELECT RAISE(ABORT, 'an effect stays'); END
    """,
    # REPLACE deletes without asking the trigger above.
    """
    CREATE TRIGGER effects_are_not_replaced BEFORE INSERT ON effects
    WHEN EXISTS (SELECT 1 FROM effects WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'an effect never changes'); END
    """,
    # What was said of each request that was carried out: its effect, or why it was declined.
    """
    CREATE TABLE answers (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        reference TEXT NOT NULL,
        effect INTEGER REFERENCES effects (number),
        code TEXT,
        message TEXT,
        at INTEGER NOT NULL,
        CHECK ((effect IS NULL) = (code IS NOT NULL AND message IS NOT NULL))
    )
    """,
    "CREATE INDEX answers_key ON answers (key)",
    "CREATE INDEX answers_reference ON answers (reference)",
)
