"""Records on a disk that is full, that cannot be written, or whose database another program holds."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.programs.small_disk import fill, make_read_only, small_disk, small_ext4
from whisperjob.model.errors import RecordNotFoundError, RecordsFullError, RecordsUnavailableError
from whisperjob.model.resource import Source, Spec, Status
from whisperjob.records.disk_reserve import RESERVE_BYTES
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.records.sqlite_file import RESERVE_NAME

SPEC = Spec(source=Source(key="uploads/default/a/0011", filename="a" * 200, size_bytes=7))


@pytest.fixture(params=[small_disk, small_ext4], ids=["tmpfs", "ext4"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    with request.param(tmp_path / "disk", 48) as folder:
        yield folder


async def fill_with_records(disk: Path) -> tuple[SqliteRecords, list[str]]:
    """Returns records on a disk that has no room for another one, and their names."""
    records = await SqliteRecords.open(disk / "jobs.sqlite")
    names = [(await records.create(f"job-{number:06}", SPEC)).name for number in range(50)]
    fill(disk)
    while (name := await create_if_it_fits(records, f"job-{len(names):06}")) is not None:
        names.append(name)
    return records, names


async def create_if_it_fits(records: SqliteRecords, name: str) -> str | None:
    try:
        return (await records.create(name, SPEC)).name
    except RecordsFullError:
        return None


async def test_a_record_that_does_not_fit_is_not_there_and_the_reserve_stays(disk: Path) -> None:
    records, names = await fill_with_records(disk)
    with pytest.raises(RecordNotFoundError):
        await records.get(f"job-{len(names):06}")
    assert [record.name for record in (await records.list(limit=100_000)).items] == names
    assert (disk / RESERVE_NAME).stat().st_size == RESERVE_BYTES
    await records.close()


async def test_all_jobs_can_be_ended_and_deleted_on_a_full_disk(disk: Path) -> None:
    records, names = await fill_with_records(disk)
    for name in names:
        record = await records.get(name)
        await records.patch_status(name, Status(attempt=1), record.version)
        await records.delete(name)
    assert (await records.list()).items == ()
    await records.close()


async def test_it_starts_and_deletes_on_a_disk_that_was_full_at_the_start(disk: Path) -> None:
    records = await SqliteRecords.open(disk / "jobs.sqlite")
    names = [(await records.create(f"job-{number}", SPEC)).name for number in range(20)]
    await records.close()
    fill(disk)
    again = await SqliteRecords.open(disk / "jobs.sqlite")
    for name in names:
        await again.delete(name)
    assert (await again.list()).items == ()
    await again.close()


async def test_the_reserve_is_made_again_when_there_is_room(disk: Path) -> None:
    records, names = await fill_with_records(disk)
    await records.delete(names[0])
    assert not (disk / RESERVE_NAME).exists()
    (disk / "filler").unlink()
    await records.create("later", SPEC)
    assert (disk / RESERVE_NAME).stat().st_size == RESERVE_BYTES
    await records.close()


async def test_a_small_disk_has_no_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "tiny", 4) as disk:
        records = await SqliteRecords.open(disk / "jobs.sqlite")
        await records.create("a", SPEC)
        await records.close()
        assert not (disk / RESERVE_NAME).exists()


async def test_the_check_fails_while_nothing_can_be_written(disk: Path) -> None:
    records, names = await fill_with_records(disk)
    with pytest.raises(RecordsFullError):
        await records.check()
    assert (await records.get(names[0])).name == names[0]
    (disk / "filler").unlink()
    await records.check()
    await records.close()


async def test_what_cannot_be_written_is_read_nevertheless(disk: Path) -> None:
    records = await SqliteRecords.open(disk / "jobs.sqlite")
    kept = await records.create("a", SPEC)
    with sqlite3.connect(disk / "jobs.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordsUnavailableError, match="locked"):
            await asyncio.wait_for(records.check(), 4)
        assert await records.get("a") == kept
        assert (await records.list()).items == (kept,)
        other.execute("ROLLBACK")
    other.close()
    await records.check()
    await records.close()


async def test_a_read_only_disk_is_reported_at_the_start(disk: Path) -> None:
    await (await SqliteRecords.open(disk / "jobs.sqlite")).close()
    make_read_only(disk)
    with pytest.raises(RecordsUnavailableError, match="cannot be opened"):
        await SqliteRecords.open(disk / "jobs.sqlite")
