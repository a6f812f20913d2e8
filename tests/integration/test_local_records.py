"""What only the SQLite records promise: they survive a restart, and refuse what they do not understand."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from whisperjob.model.errors import RecordNotFoundError, RecordsUnavailableError, WatchExpiredError
from whisperjob.model.resource import Source, Spec, Status
from whisperjob.records.port import RecordChange
from whisperjob.records.schema import MIGRATIONS, SCHEMA_VERSION, NewerSchemaError
from whisperjob.records.sqlite import SqliteRecords

SPEC = Spec(source=Source(key="uploads/default/a/0011", filename="a.mp4", size_bytes=7))


async def test_records_and_versions_survive_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    records = await SqliteRecords.open(file)
    kept = await records.create("kept", SPEC)
    kept = await records.patch_status("kept", Status(attempt=1), kept.version)
    await records.create("gone", SPEC)
    await records.delete("gone")
    await records.close()

    again = await SqliteRecords.open(file)
    assert await again.get("kept") == kept
    with pytest.raises(RecordNotFoundError):
        await again.get("gone")
    new = await again.create("new", SPEC)
    # 4 changes before the restart; the deletion counts although its record is gone
    assert int(new.version) == 5
    await again.close()


async def test_watch_from_before_the_restart_expires(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    records = await SqliteRecords.open(file)
    first = await records.create("a", SPEC)
    await records.create("b", SPEC)
    await records.close()

    again = await SqliteRecords.open(file)
    with pytest.raises(WatchExpiredError):
        await anext(aiter(again.watch(first.version)))
    with pytest.raises(WatchExpiredError):  # a version from a future that was lost with a restored backup
        await anext(aiter(again.watch("999")))
    await again.close()


async def test_watcher_that_fell_behind_is_told_to_list(tmp_path: Path) -> None:
    records = await SqliteRecords.open(tmp_path / "jobs.sqlite", ring_size=3)
    lazy = aiter(records.watch("0"))
    await records.create("a", SPEC)
    assert (await anext(lazy)).record.name == "a"
    for name in "bcde":
        await records.create(name, SPEC)
    with pytest.raises(WatchExpiredError):
        await anext(lazy)
    await records.close()


async def test_watchers_hear_of_every_write_also_of_cancelled_writers(tmp_path: Path) -> None:
    records = await SqliteRecords.open(tmp_path / "jobs.sqlite")
    writers = [asyncio.create_task(records.create(f"job-{number}", SPEC)) for number in range(50)]
    await writers[0]
    for writer in writers:
        writer.cancel()
    await asyncio.gather(*writers, return_exceptions=True)
    written = {record.name for record in (await records.list()).items}
    watch = aiter(records.watch("0"))
    async with asyncio.timeout(10):
        assert {(await anext(watch)).record.name for _ in written} == written
    await records.close()


async def test_closing_ends_watches_and_calls(tmp_path: Path) -> None:
    records = await SqliteRecords.open(tmp_path / "jobs.sqlite")

    async def follow() -> list[RecordChange]:
        return [change async for change in records.watch("0")]

    watcher = asyncio.create_task(follow())
    await records.check()
    await records.close()
    with pytest.raises(RecordsUnavailableError):
        await watcher
    with pytest.raises(RecordsUnavailableError):
        await records.get("a")
    await records.close()


async def test_a_file_of_an_older_version_is_migrated(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    with sqlite3.connect(file) as sql:
        for statement in MIGRATIONS[0]:
            sql.execute(statement)
        sql.execute(
            "INSERT INTO records VALUES ('old', 'u', 1, 1, '2026-02-12T10:00:00+00:00', ?, '{}')",
            (SPEC.model_dump_json(by_alias=True, exclude_none=True),),
        )
        sql.execute("PRAGMA user_version = 1")
    sql.close()
    installations = set()
    for _ in range(2):
        records = await SqliteRecords.open(file)
        assert (await records.get("old")).spec == SPEC
        installations.add(await records.installation())
        await records.close()
    other = await SqliteRecords.open(tmp_path / "other.sqlite")
    assert len(installations | {await other.installation()}) == 2
    await other.close()


async def test_a_newer_schema_is_refused_untouched(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    await (await SqliteRecords.open(file)).close()
    with sqlite3.connect(file) as sql:
        sql.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    sql.close()
    with pytest.raises(NewerSchemaError, match="newer version of WhisperJob"):
        await SqliteRecords.open(file)
