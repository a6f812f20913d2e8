"""A copy of all job records in memory, kept true by list + watch; what status polls and decisions read.

The API and the engine each hold one (embedded mode: one for both). A record written by this process goes in by `put`,
so that it reads its own writes before the watch tells of them.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection
from datetime import timedelta

from whisperjob.model.errors import RecordsUnavailableError, WatchExpiredError
from whisperjob.model.resource import WhisperJob
from whisperjob.records.port import ChangeKind, JobRecords, RecordChange

log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 10.0
_REMEMBERED_DELETIONS = 10_000


class RecordCache:
    """All records of the namespace by name. Not thread-safe: one event loop."""

    def __init__(self, records: JobRecords, *, resync_interval: timedelta = timedelta(minutes=5)) -> None:
        self._records = records
        self._resync_interval = resync_interval.total_seconds()
        self._by_name: dict[str, WhisperJob] = {}
        self._deleted_uids: dict[str, None] = {}  # a dict for its order: the oldest are forgotten first
        self._callbacks: list[Callable[[RecordChange], None]] = []
        self._synced = asyncio.Event()
        self._heard = float("-inf")

    @property
    def age_seconds(self) -> float:
        """Since the records were last heard of, by a listing or a change; infinite before the first."""
        return time.monotonic() - self._heard

    @property
    def synced(self) -> bool:
        """Whether the records were read once; before that an absent name means nothing."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def get(self, name: str) -> WhisperJob | None:
        return self._by_name.get(name)

    def all(self) -> Collection[WhisperJob]:
        return self._by_name.values()

    def subscribe(self, callback: Callable[[RecordChange], None]) -> None:
        """Calls back with every change, however it became known, on the event loop."""
        self._callbacks.append(callback)

    def put(self, record: WhisperJob) -> None:
        """Takes in a record just written or read live; one older than what is known changes nothing."""
        known = self._by_name.get(record.name)
        if record.uid in self._deleted_uids or (known and _version(known) >= _version(record)):
            return
        if known and known.uid != record.uid:
            self.forget(known)
        self._by_name[record.name] = record
        same = known is not None and known.uid == record.uid
        self._tell(RecordChange(ChangeKind.MODIFIED if same else ChangeKind.ADDED, record))

    def forget(self, record: WhisperJob) -> None:
        """Takes in that this very record (by its uid) was deleted."""
        self._deleted_uids[record.uid] = None
        while len(self._deleted_uids) > _REMEMBERED_DELETIONS:
            del self._deleted_uids[next(iter(self._deleted_uids))]
        known = self._by_name.get(record.name)
        if known and known.uid == record.uid:
            del self._by_name[record.name]
            self._tell(RecordChange(ChangeKind.DELETED, known))

    async def relist(self) -> str:
        """Reads all records and drops those that are gone; returns the version to watch from."""
        seen: dict[str, WhisperJob] = {}
        token: str | None = None
        while True:
            page = await self._records.list(token=token)
            seen.update((record.uid, record) for record in page.items)
            token = page.next_token
            if token is None:
                break
        for record in seen.values():
            self.put(record)
        for ghost in [r for r in self._by_name.values() if r.uid not in seen and int(r.version) <= int(page.version)]:
            self.forget(ghost)
        self._heard = time.monotonic()
        self._synced.set()
        return page.version

    async def run(self) -> None:
        """Keeps the copy true until cancelled; the records being away is waited out."""
        retry = _FIRST_RETRY_SECONDS
        while True:
            try:
                version = await self.relist()
                retry = _FIRST_RETRY_SECONDS
                async with asyncio.timeout(self._resync_interval):
                    async for change in self._records.watch(version):
                        if change.kind is ChangeKind.DELETED:
                            self.forget(change.record)
                        else:
                            self.put(change.record)
            except (TimeoutError, WatchExpiredError):
                continue
            except RecordsUnavailableError as error:
                log.warning("records are away, trying again in %.1f s: %s", retry, error)
                await asyncio.sleep(retry * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, no secret
                retry = min(retry * 2, _LAST_RETRY_SECONDS)

    def _tell(self, change: RecordChange) -> None:
        self._heard = time.monotonic()
        for callback in self._callbacks:
            callback(change)


def _version(record: WhisperJob) -> int:
    """Resource versions are numbers that grow: SQLite's by construction, Kubernetes' by its API conventions."""
    return int(record.version)
