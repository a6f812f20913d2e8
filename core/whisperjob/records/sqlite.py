"""Job records in SQLite, which on one machine take the place of WhisperJob resources.

All SQL runs on one thread of its own, so that a slow disk never blocks the event loop and writes never overlap.
A commit is on the disk (synchronous=FULL) before it is reported.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

from pydantic import ValidationError

from whisperjob.model.base import Model
from whisperjob.model.clock import utc_now
from whisperjob.model.errors import (
    RecordConflictError,
    RecordError,
    RecordExistsError,
    RecordInvalidError,
    RecordNotFoundError,
    RecordsFullError,
    RecordsUnavailableError,
    RecordUnreadableError,
    WatchExpiredError,
)
from whisperjob.model.immutability import check_spec_change, check_status_change
from whisperjob.model.names import is_job_name
from whisperjob.model.resource import Metadata, Spec, Status, WhisperJob
from whisperjob.records.changes import ChangeLog
from whisperjob.records.disk_reserve import DiskReserve
from whisperjob.records.port import ChangeKind, RecordChange, RecordPage, UnreadableRecord, say_why_unreadable
from whisperjob.records.sqlite_file import (
    RESERVE_NAME,
    connect,
    current_version,
    is_full,
    run_on_full_disk,
    transaction,
    write_nothing_new,
)

NAMESPACE = "default"
DEFAULT_RING_SIZE = 10_000
"""How many changes a watcher may be behind: minutes of the busiest service, a few dozen MB at most."""

_INSERT = "INSERT INTO records (name, uid, version, generation, created_at, spec, status) VALUES (?, ?, ?, ?, ?, ?, ?)"
_UPDATE = "UPDATE records SET version = ?, generation = ?, spec = ?, status = ? WHERE name = ?"
_SELECT_ONE = "SELECT name, uid, version, generation, created_at, spec, status FROM records WHERE name = ?"
_SELECT_TOMBSTONES = "SELECT name, uid, version, generation, created_at, spec, status FROM tombstones"
_BURY = f"INSERT OR REPLACE INTO tombstones {_SELECT_ONE}"
_SELECT_PAGE = """
    SELECT name, uid, version, generation, created_at, spec, status FROM records
    WHERE name > ? ORDER BY name LIMIT ?
"""

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Row = tuple[str, str, int, int, str, str, str]


class SqliteRecords:
    """JobRecords in one file. `open` opens it, on the event loop that will use it."""

    def __init__(
        self, connection: sqlite3.Connection, thread: ThreadPoolExecutor, log: ChangeLog, reserve: DiskReserve
    ) -> None:
        self._connection = connection
        self._reserve = reserve
        self._thread = thread
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._closed = False

    @classmethod
    async def open(cls, file: Path, *, ring_size: int = DEFAULT_RING_SIZE) -> Self:
        """Opens or creates the file, and a reserve of disk space beside it.

        Raises NewerSchemaError, RecordsUnavailableError.
        """
        reserve = DiskReserve(file.with_name(RESERVE_NAME))
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="records")
        try:
            connection, version = await asyncio.get_running_loop().run_in_executor(thread, connect, file, reserve)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(connection, thread, ChangeLog(version, ring_size), reserve)

    async def close(self) -> None:
        """Ends every watch, finishes the writes that have begun and closes the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._log.close()
        await self._loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()

    @property
    def namespace(self) -> str:
        return NAMESPACE

    async def installation(self) -> str:
        return await self._run(lambda: str(self._connection.execute("SELECT id FROM installation").fetchone()[0]))

    async def create(self, name: str, spec: Spec) -> WhisperJob:
        return await self._run(lambda: self._create(name, spec), may_use_reserve=False)

    async def get(self, name: str) -> WhisperJob:
        return await self._run(lambda: _load(self._connection, name))

    async def list(self, limit: int = 500, token: str | None = None) -> RecordPage:
        return await self._run(lambda: _page(self._connection, limit, token))

    async def watch(self, version: str) -> AsyncIterator[RecordChange]:
        if not version.isdecimal():
            raise WatchExpiredError(f"{version!r} is no version of these records")
        async for change in self._log.after(int(version)):
            yield change

    async def patch_spec(self, name: str, spec: Spec, version: str | None = None) -> WhisperJob:
        return await self._run(lambda: self._patch_spec(name, spec, version))

    async def patch_status(self, name: str, status: Status, version: str) -> WhisperJob:
        return await self._run(lambda: self._patch_status(name, status, version))

    async def delete(self, name: str, uid: str | None = None) -> None:
        await self._run(lambda: self._delete(name, uid))

    async def tombstones(self) -> tuple[WhisperJob, ...]:
        rows = await self._run(lambda: self._connection.execute(_SELECT_TOMBSTONES).fetchall())
        return tuple(record for record in map(_from_row, rows) if isinstance(record, WhisperJob))

    async def finalized(self, uid: str) -> None:
        await self._run(lambda: self._connection.execute("DELETE FROM tombstones WHERE uid = ?", (uid,)))

    async def check(self) -> None:
        await self._run(lambda: write_nothing_new(self._connection), may_use_reserve=False)

    async def _run(self, work: Callable[[], T], *, may_use_reserve: bool = True) -> T:
        """Runs work on the records' thread. New jobs do not use the reserve: it is there to end and to delete jobs."""
        if self._closed:
            raise RecordsUnavailableError("the job records are closed")

        def run() -> T:
            result = run_on_full_disk(work, self._reserve) if may_use_reserve else work()
            self._reserve.ensure()
            return result

        try:
            return await self._loop.run_in_executor(self._thread, run)
        except sqlite3.Error as error:
            kind = RecordsFullError if is_full(error) else RecordsUnavailableError
            raise kind(f"the job records failed: {error}") from error

    def _publish(self, kind: ChangeKind, record: WhisperJob) -> None:
        """Reports a change to the event loop; called on the records' thread, after the commit.

        Changes are reported in order, before the writer returns, and also if the writer was cancelled meanwhile.
        """
        self._loop.call_soon_threadsafe(self._log.append, int(record.version), RecordChange(kind, record))

    def _create(self, name: str, spec: Spec) -> WhisperJob:
        if not is_job_name(name):
            raise RecordInvalidError(f"{name!r} is no DNS label")
        spec = _validate(spec)
        with transaction(self._connection) as sql:
            if sql.execute("SELECT 1 FROM records WHERE name = ?", (name,)).fetchone():
                raise RecordExistsError(name)
            metadata = Metadata(
                name=name,
                namespace=NAMESPACE,
                uid=str(uuid4()),
                resource_version=_next_version(sql),
                generation=1,
                creation_timestamp=utc_now(),
            )
            record = WhisperJob(metadata=metadata, spec=spec)
            sql.execute(_INSERT, _to_row(record))
        self._publish(ChangeKind.ADDED, record)
        return record

    def _patch_spec(self, name: str, spec: Spec, version: str | None) -> WhisperJob:
        with transaction(self._connection) as sql:
            old = _load(sql, name)
            if version is not None and old.version != version:
                raise RecordConflictError(name)
            spec = _validate(spec)
            check_spec_change(old.spec, spec)
            if spec == old.spec:
                return old
            new = WhisperJob(metadata=_next_metadata(sql, old, spec_changed=True), spec=spec, status=old.status)
            _store(sql, new)
        self._publish(ChangeKind.MODIFIED, new)
        return new

    def _patch_status(self, name: str, status: Status, version: str) -> WhisperJob:
        with transaction(self._connection) as sql:
            old = _load(sql, name)
            if old.version != version:
                raise RecordConflictError(name)
            status = _validate(status)
            check_status_change(old.status, status)
            if status == old.status:
                return old
            new = WhisperJob(metadata=_next_metadata(sql, old, spec_changed=False), spec=old.spec, status=status)
            _store(sql, new)
        self._publish(ChangeKind.MODIFIED, new)
        return new

    def _delete(self, name: str, uid: str | None) -> None:
        with transaction(self._connection) as sql:
            old = _load_any(sql, name)
            if uid is not None and old.uid != uid:
                raise RecordNotFoundError(name)
            sql.execute(_BURY, (name,))
            sql.execute("DELETE FROM records WHERE name = ?", (name,))
            if isinstance(old, UnreadableRecord):  # no watch reports what cannot be read
                return
            metadata = _next_metadata(sql, old, spec_changed=False)
            last = WhisperJob(metadata=metadata, spec=old.spec, status=old.status)
        self._publish(ChangeKind.DELETED, last)


def _next_version(sql: sqlite3.Connection) -> str:
    return str(sql.execute("UPDATE counter SET version = version + 1 RETURNING version").fetchone()[0])


def _next_metadata(sql: sqlite3.Connection, record: WhisperJob, *, spec_changed: bool) -> Metadata:
    """Takes the next version for a change of a record; a change of its spec also begins a new generation."""
    old = record.metadata
    return Metadata(
        name=old.name,
        namespace=old.namespace,
        uid=old.uid,
        resource_version=_next_version(sql),
        generation=old.generation + (1 if spec_changed else 0),
        creation_timestamp=old.creation_timestamp,
        deletion_timestamp=old.deletion_timestamp,
    )


def _load(sql: sqlite3.Connection, name: str) -> WhisperJob:
    record = _load_any(sql, name)
    if isinstance(record, UnreadableRecord):
        raise RecordUnreadableError(record.name, record.uid, record.tenant, record.why)
    return record


def _load_any(sql: sqlite3.Connection, name: str) -> WhisperJob | UnreadableRecord:
    row = sql.execute(_SELECT_ONE, (name,)).fetchone()
    if row is None:
        raise RecordNotFoundError(name)
    return _from_row(row)


def _store(sql: sqlite3.Connection, record: WhisperJob) -> None:
    _, _, version, generation, _, spec, status = _to_row(record)
    sql.execute(_UPDATE, (version, generation, spec, status, record.name))


def _page(sql: sqlite3.Connection, limit: int, token: str | None) -> RecordPage:
    """Reads a page. Every page has the version of the first: a watch from there sees the changes between pages."""
    with transaction(sql, writing=False):
        if token is None:
            version, after = str(current_version(sql)), ""
        else:
            version, separator, after = token.partition(":")
            if not separator or not version.isdecimal():
                raise RecordError(f"{token!r} is no token of these records")
        rows = sql.execute(_SELECT_PAGE, (after, limit + 1)).fetchall()
    page = [_from_row(row) for row in rows[:limit]]
    return RecordPage(
        tuple(record for record in page if isinstance(record, WhisperJob)),
        version,
        f"{version}:{rows[limit - 1][0]}" if len(rows) > limit else None,
        tuple(record for record in page if isinstance(record, UnreadableRecord)),
    )


def _to_row(record: WhisperJob) -> Row:
    metadata = record.metadata
    return (
        metadata.name,
        metadata.uid,
        int(metadata.resource_version),
        metadata.generation,
        metadata.creation_timestamp.isoformat(timespec="milliseconds"),
        _to_json(record.spec),
        _to_json(record.status),
    )


def _from_row(row: Row) -> WhisperJob | UnreadableRecord:
    name, uid, version, generation, created_at, spec, status = row
    try:
        metadata = Metadata(
            name=name,
            namespace=NAMESPACE,
            uid=uid,
            resource_version=str(version),
            generation=generation,
            creation_timestamp=datetime.fromisoformat(created_at),
        )
        return WhisperJob(
            metadata=metadata, spec=Spec.model_validate_json(spec), status=Status.model_validate_json(status)
        )
    except ValueError as error:  # a ValidationError is one
        return UnreadableRecord(name, uid, str(version), _find_tenant(spec), say_why_unreadable(error))


def _find_tenant(spec: str) -> str | None:
    """Returns the tenant that a spec names, None if not even that can be read."""
    try:
        return _Tenant.model_validate_json(spec).tenant
    except ValidationError:
        return None


class _Tenant(Model):
    """The part of a spec that says whose it is."""

    tenant: str = Spec.model_fields["tenant"].default


def _to_json(model: Model) -> str:
    return model.model_dump_json(by_alias=True, exclude_none=True)


def _validate(model: M) -> M:
    """Returns the model as it will be read back. Raises RecordInvalidError: `model_copy` validates nothing."""
    try:
        return type(model).model_validate_json(_to_json(model))
    except ValidationError as error:
        raise RecordInvalidError(str(error)) from error
