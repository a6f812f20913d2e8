"""A copy of all job records in memory, kept up to date by list and watch. Status polls and decisions read it.

The API and the engine have one each; on one machine they share one. A record that this process wrote is added by
`put`, so that the process reads its own writes before the watch reports them.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection
from datetime import timedelta

from cachetools import LRUCache

from whisperjob.model.backoff import Backoff
from whisperjob.model.errors import RecordsUnavailableError, WatchExpiredError
from whisperjob.model.resource import WhisperJob
from whisperjob.records.port import ChangeKind, JobRecords, RecordChange, UnreadableRecord

log = logging.getLogger(__name__)

_BACKOFF = Backoff(timedelta(milliseconds=200), timedelta(seconds=10), jitter=0.2)
_REMEMBERED_DELETIONS = 10_000


class RecordCache:
    """All records of a namespace by name. It belongs to one event loop."""

    def __init__(self, records: JobRecords, *, resync_interval: timedelta = timedelta(minutes=5)) -> None:
        self._records = records
        self._resync_interval = resync_interval.total_seconds()
        self._by_name: dict[str, WhisperJob] = {}
        self._quarantined: dict[str, UnreadableRecord] = {}
        self._deleted_uids: LRUCache[str, None] = LRUCache(_REMEMBERED_DELETIONS)
        """A look-up does not count as use, so the oldest deletion is dropped first."""
        self._callbacks: list[Callable[[RecordChange], None]] = []
        self._synced = asyncio.Event()
        self._last_update_at = float("-inf")

    @property
    def age_seconds(self) -> float:
        """The time since the last listing or change, in seconds; infinite before the first."""
        return time.monotonic() - self._last_update_at

    @property
    def synced(self) -> bool:
        """It is True once the records were read; before that an absent name means nothing."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Waits until the records were read once."""
        await self._synced.wait()

    def get(self, name: str) -> WhisperJob | None:
        """Returns a record, or None if the cache has none of this name."""
        return self._by_name.get(name)

    def all(self) -> Collection[WhisperJob]:
        """Returns all records; the collection changes with the cache."""
        return self._by_name.values()

    def quarantined(self) -> Collection[UnreadableRecord]:
        """Returns the records that cannot be read. Nothing is done about them, and nothing of theirs is deleted."""
        return self._quarantined.values()

    def quarantine(self, unreadable: UnreadableRecord) -> None:
        """Sets a record aside that cannot be read any more: it is gone from this cache, but it was not deleted."""
        if self._quarantined.get(unreadable.name) == unreadable:
            return
        self._quarantined[unreadable.name] = unreadable
        self._by_name.pop(unreadable.name, None)
        log.error(
            "job %s is quarantined, for its record cannot be read (%s); its objects stay",
            unreadable.name,
            unreadable.why,
        )

    def release(self, name: str) -> None:
        """Forgets that the record of this name is quarantined: it was deleted, or it can be read again."""
        if self._quarantined.pop(name, None) is not None:
            log.info("job %s is no longer quarantined", name)

    def subscribe(self, callback: Callable[[RecordChange], None]) -> None:
        """Calls `callback` on the event loop with every change, from whatever source."""
        self._callbacks.append(callback)

    def put(self, record: WhisperJob) -> None:
        """Adds a record that was just written or read; one that is not newer than the cached one changes nothing."""
        cached = self._by_name.get(record.name)
        if record.uid in self._deleted_uids or (cached and _version(cached) >= _version(record)):
            return
        if cached and cached.uid != record.uid:
            self.forget(cached)
        self.release(record.name)
        self._by_name[record.name] = record
        same_record = cached is not None and cached.uid == record.uid
        self._notify(RecordChange(ChangeKind.MODIFIED if same_record else ChangeKind.ADDED, record))

    def forget(self, record: WhisperJob) -> None:
        """Drops a record that was deleted; a record of the same name with another uid stays."""
        self._deleted_uids[record.uid] = None
        cached = self._by_name.get(record.name)
        if cached and cached.uid == record.uid:
            del self._by_name[record.name]
            self._notify(RecordChange(ChangeKind.DELETED, cached))

    async def relist(self) -> str:
        """Reads all records and drops those that no longer exist; returns the version to watch from."""
        listed: dict[str, WhisperJob] = {}
        unreadable: dict[str, UnreadableRecord] = {}
        token: str | None = None
        while True:
            page = await self._records.list(token=token)
            listed.update((record.uid, record) for record in page.items)
            unreadable.update((record.name, record) for record in page.unreadable)
            token = page.next_token
            if token is None:
                break
        for name in self._quarantined.keys() - unreadable.keys():
            self.release(name)
        for quarantined in unreadable.values():
            self.quarantine(quarantined)
        for record in listed.values():
            self.put(record)
        for deleted in [
            r for r in self._by_name.values() if r.uid not in listed and int(r.version) <= int(page.version)
        ]:
            self.forget(deleted)
        self._last_update_at = time.monotonic()
        self._synced.set()
        return page.version

    async def run(self) -> None:
        """Keeps the cache up to date until it is cancelled. While the records are unavailable it tries again."""
        failures = 0
        while True:
            try:
                version = await self.relist()
                failures = 0
                async with asyncio.timeout(self._resync_interval):
                    async for change in self._records.watch(version):
                        if change.kind is ChangeKind.DELETED:
                            self.forget(change.record)
                        else:
                            self.put(change.record)
            except (TimeoutError, WatchExpiredError):
                continue
            except RecordsUnavailableError as error:
                failures += 1
                wait = _BACKOFF.wait(failures, random.random()).total_seconds()  # noqa: S311 - jitter, no secret
                log.warning("the job records are unavailable, trying again in %.1f s: %s", wait, error)
                await asyncio.sleep(wait)

    def _notify(self, change: RecordChange) -> None:
        self._last_update_at = time.monotonic()
        for callback in self._callbacks:
            callback(change)


def _version(record: WhisperJob) -> int:
    """Returns the version as a number that only grows: in SQLite by construction, in Kubernetes by its conventions."""
    return int(record.version)
