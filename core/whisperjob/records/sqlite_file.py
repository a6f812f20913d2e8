"""The file of the SQLite records: opened, checked, written also where the disk is full."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from whisperjob.model.errors import RecordsUnavailableError
from whisperjob.records.disk_reserve import DiskReserve
from whisperjob.records.schema import SCHEMA_VERSION, migrate

RESERVE_NAME = "reserve"

_BUSY_MILLISECONDS = 5000
_PROBE_MILLISECONDS = 200
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMOPEN})

T = TypeVar("T")


class RecordsDamagedError(RecordsUnavailableError):
    """The file is no database, or is damaged. Nothing was written to it."""

    def __init__(self, file: Path, cause: sqlite3.Error) -> None:
        super().__init__(
            f"The job records in {file} are damaged ({cause}). Nothing was changed. Restore the file from a backup, or "
            "move it away to begin with an empty list of jobs; what is stored of the old ones stays."
        )


def connect(file: Path, reserve: DiskReserve) -> tuple[sqlite3.Connection, int]:
    """Opens or creates the file; returns the connection and the version of the latest change.

    Raises NewerSchemaError, RecordsDamagedError, RecordsUnavailableError.
    """
    try:
        opened = run_on_full_disk(lambda: _open(file), reserve)
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in _DAMAGED:
            raise RecordsDamagedError(file, error) from error
        raise RecordsUnavailableError(f"The job records in {file} cannot be opened: {error}.") from error
    reserve.ensure()
    return opened


def _open(file: Path) -> tuple[sqlite3.Connection, int]:
    connection = sqlite3.connect(file, isolation_level=None, timeout=_BUSY_MILLISECONDS / 1000)
    connection.text_factory = _to_text
    try:
        _check_pages(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection)
        return connection, current_version(connection)
    except BaseException:
        connection.close()
        raise


def run_on_full_disk(work: Callable[[], T], reserve: DiskReserve) -> T:
    """Runs work, which leaves nothing when it fails; on a full disk again, without the reserve."""
    try:
        return work()
    except sqlite3.Error as error:
        if not is_full(error) or not reserve.give_up():
            raise
        return work()


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk is full. While SQLite makes the files of its log, it says that as an error of I/O."""
    return getattr(error, "sqlite_errorcode", None) in _FULL


def write_nothing_new(sql: sqlite3.Connection) -> None:
    """Writes a page to the disk as it is. Does not wait for long: readiness probes have little time."""
    sql.execute(f"PRAGMA busy_timeout = {_PROBE_MILLISECONDS}")
    try:
        with transaction(sql):
            sql.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    finally:
        sql.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")


def _check_pages(connection: sqlite3.Connection) -> None:
    """Reads the whole file once, before anything is written to it. Raises sqlite3.DatabaseError where it is damaged."""
    found = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        error = sqlite3.DatabaseError(found.replace("\n", ": "))
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _to_text(data: bytes) -> str:
    """Decodes a text column. Damaged bytes make one record unreadable, and not the whole list."""
    return data.decode(errors="replace")


@contextmanager
def transaction(connection: sqlite3.Connection, *, writing: bool = True) -> Iterator[sqlite3.Connection]:
    """Commits when the block ends, and leaves nothing when it raises. One that only reads waits for no writer."""
    connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
    try:
        yield connection
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def current_version(sql: sqlite3.Connection) -> int:
    """Returns the version of the latest change of any record."""
    return int(sql.execute("SELECT version FROM counter").fetchone()[0])
