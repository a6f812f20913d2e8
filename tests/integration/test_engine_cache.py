"""The record cache stays up to date whatever happens to its watch."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.builders import a_spec
from support.waiting import until
from whisperjob.model.errors import RecordsUnavailableError, WatchExpiredError
from whisperjob.records import cache as cache_module
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import ChangeKind, RecordChange, RecordPage
from whisperjob.records.sqlite import SqliteRecords


class Shaky(SqliteRecords):
    """Real records whose connection a test can cut."""

    away = False
    deaf = False
    expired = 0

    async def list(self, limit: int = 500, token: str | None = None) -> RecordPage:
        if self.away:
            raise RecordsUnavailableError("cut")
        return await super().list(2, token)

    async def watch(self, version: str) -> AsyncIterator[RecordChange]:
        async for change in super().watch(version):
            if self.away:
                raise RecordsUnavailableError("cut")
            if self.expired:
                self.expired -= 1
                raise WatchExpiredError("too old")
            if not self.deaf:
                yield change


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Shaky]:
    opened = await Shaky.open(tmp_path / "jobs.sqlite")
    yield opened
    await opened.close()


@asynccontextmanager
async def running(cache: RecordCache) -> AsyncIterator[None]:
    task = asyncio.create_task(cache.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def present(cache: RecordCache) -> list[str]:
    return sorted(job.name for job in cache.all())


async def test_it_begins_with_all_pages_and_follows(records: Shaky) -> None:
    for name in ("a", "b", "c", "d", "e"):
        await records.create(name, a_spec())
    cache = RecordCache(records)
    assert not cache.synced
    async with running(cache):
        await cache.wait_synced()
        assert present(cache) == ["a", "b", "c", "d", "e"]
        await records.create("f", a_spec())
        await records.delete("a")
        await until(lambda: cache.get("f") and not cache.get("a"), "the watch")


async def test_no_change_during_an_outage_is_missed(records: Shaky) -> None:
    cache = RecordCache(records)
    async with running(cache):
        await records.create("before", a_spec())
        await until(lambda: cache.get("before"), "the first record")
        records.away = True
        await records.delete("before")
        await records.create("during", a_spec())
        await asyncio.sleep(0)
        records.away = False
        await until(lambda: cache.get("during") and not cache.get("before"), "the outage's changes")


async def test_a_watch_that_is_too_old_begins_again(records: Shaky) -> None:
    cache = RecordCache(records)
    async with running(cache):
        await cache.wait_synced()
        records.expired = 1
        await records.create("a", a_spec())
        await until(lambda: cache.get("a"), "the record")


async def test_a_resync_drops_deleted_records_and_finds_missed_ones(records: Shaky) -> None:
    cache = RecordCache(records)
    events: list[tuple[ChangeKind, str]] = []
    cache.subscribe(lambda change: events.append((change.kind, change.record.name)))
    async with running(cache):
        await records.create("ghost", a_spec())
        await until(lambda: cache.get("ghost"), "the record")
        records.deaf = True
        await records.delete("ghost")
        await records.create("missed", a_spec())
        await cache.relist()
    assert present(cache) == ["missed"]
    assert events == [(ChangeKind.ADDED, "ghost"), (ChangeKind.ADDED, "missed"), (ChangeKind.DELETED, "ghost")]


async def test_own_writes_are_read_at_once_and_late_events_do_not_undo_them(records: Shaky) -> None:
    cache = RecordCache(records)
    created = await records.create("a", a_spec())
    changed = await records.patch_spec("a", a_spec(priority=5))
    cache.put(changed)
    cache.put(created)
    assert cache.get("a") == changed


async def test_a_deleted_record_does_not_come_back_by_late_events(records: Shaky) -> None:
    cache = RecordCache(records)
    created = await records.create("a", a_spec())
    cache.put(created)
    cache.forget(created)
    cache.put(created)
    assert cache.get("a") is None


async def test_the_oldest_deletion_is_forgotten_first(records: Shaky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_REMEMBERED_DELETIONS", 2)
    cache = RecordCache(records)
    oldest, middle, latest = [await records.create(name, a_spec()) for name in ("a", "b", "c")]
    cache.forget(oldest)
    cache.forget(middle)
    cache.put(oldest)  # a late event of a deleted record does not renew its deletion
    cache.forget(latest)
    for record in (oldest, middle, latest):
        cache.put(record)
    assert present(cache) == ["a"]


async def test_a_name_that_is_used_again_is_another_record(records: Shaky) -> None:
    cache = RecordCache(records)
    old = await records.create("a", a_spec())
    cache.put(old)
    await records.delete("a")
    new = await records.create("a", a_spec())
    events: list[tuple[ChangeKind, str]] = []
    cache.subscribe(lambda change: events.append((change.kind, change.record.uid)))
    cache.put(new)
    cache.forget(old)
    assert cache.get("a") == new
    assert events == [(ChangeKind.DELETED, old.uid), (ChangeKind.ADDED, new.uid)]
