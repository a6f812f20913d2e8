"""The tables of jobs.sqlite, and the migrations of older files."""

import sqlite3

from whisperjob.model.errors import RecordError

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE records (
            name       TEXT    PRIMARY KEY,
            uid        TEXT    NOT NULL UNIQUE,
            version    INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            created_at TEXT    NOT NULL,
            spec       TEXT    NOT NULL,
            status     TEXT    NOT NULL
        ) STRICT
        """,
        "CREATE TABLE counter (only INTEGER PRIMARY KEY CHECK (only = 1), version INTEGER NOT NULL) STRICT",
        "INSERT INTO counter (only, version) VALUES (1, 0)",
    ),
    (
        "CREATE TABLE installation (only INTEGER PRIMARY KEY CHECK (only = 1), id TEXT NOT NULL) STRICT",
        "INSERT INTO installation (only, id) VALUES (1, lower(hex(randomblob(16))))",
    ),
    (
        """
        CREATE TABLE tombstones (
            name       TEXT    NOT NULL,
            uid        TEXT    PRIMARY KEY,
            version    INTEGER NOT NULL,
            generation INTEGER NOT NULL,
            created_at TEXT    NOT NULL,
            spec       TEXT    NOT NULL,
            status     TEXT    NOT NULL
        ) STRICT
        """,
    ),
)
"""Entry n leads from schema version n to n + 1. An entry that was released is never changed.

`tombstones` has deleted records until what belonged to them is removed.

`counter.version` is the resource version of the latest change of any record, deletions included. It must outlive the
record that has it, or the same version would be used twice after a restart.
"""

SCHEMA_VERSION = len(MIGRATIONS)


class NewerSchemaError(RecordError):
    """The file was written by a newer version of WhisperJob."""

    def __init__(self, found: int) -> None:
        super().__init__(
            f"The job records were written by a newer version of WhisperJob (schema {found}; this one knows up to "
            f"{SCHEMA_VERSION}). Run that version or a later one."
        )
        self.found = found


def migrate(connection: sqlite3.Connection) -> None:
    """Migrates the file to this version, each step in a transaction. Raises NewerSchemaError."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise NewerSchemaError(version)
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
