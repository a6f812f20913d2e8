"""Removes what a crash left: objects that no record needs. Slowly, and only where that is certain.

What ends in the usual way (a stage, a deletion, a retention) is cleaned up at once, by the pass over its job. A sweep
is for the rest. What a job's record says is no longer needed goes at once here, too. An object that no record names is
only remembered at first, and deleted when every sweep for `orphan_age` has found it so.
"""

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from whisperjob.engine.garbage import Orphans, find_orphans
from whisperjob.engine.installation import Installation, Marker
from whisperjob.engine.watched_clock import LastSeen, WatchedClock
from whisperjob.model import names
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import JobRecords
from whisperjob.stores.port import ObjectStore, StoredObject

log = logging.getLogger(__name__)

_UNFINISHED_UPLOAD_AGE: Final = timedelta(hours=24)
_MARKER_INTERVAL: Final = timedelta(hours=1)
"""How often the marker is written at least: it says when the service was last alive (`LONGEST_ABSENCE`)."""
_HELD_MARKER_INTERVAL: Final = timedelta(minutes=10)
"""The same while deletion is held: a restart goes on with what remains of the grace time."""


def why_not_sweep(others: Collection[str], contested: bool) -> str:
    """Returns why nothing may be swept, an empty sentence if it may be. Pure."""
    if others:
        return (
            f"another installation has left its marker here ({', '.join(sorted(others))}). If it is gone for good, "
            "delete its marker; if it is not, give each a bucket of its own"
        )
    if contested:
        return "another process with the same records is at work here"
    return ""


def find_disputed(strangers: frozenset[str], disputed: frozenset[str], records: int) -> frozenset[str]:
    """Returns which jobs without a record have objects that no sweep may remove. Pure.

    If there are more of them than records, records were lost rather than jobs deleted: all are disputed. They stay so,
    whatever comes later; only a person can say that nobody wants the objects, and delete them.
    """
    doubtful = strangers - disputed
    return strangers if len(doubtful) > records else strangers & disputed


@dataclass(slots=True)
class Sweeper:
    """Sweeps the objects of one namespace. One event loop."""

    records: JobRecords
    cache: RecordCache
    store: ObjectStore
    clock: WatchedClock
    orphan_age: timedelta
    keep_source: bool
    problem: str = ""
    """Why nothing is swept now; empty while sweeping works."""
    _installation: Installation | None = None
    _remembered: dict[str, float] = field(default_factory=dict)
    _disputed: frozenset[str] = frozenset()
    _records_version: int = 0
    _swept_at: float | None = None
    _written_at: float | None = None
    _written_held: bool = False
    _last_seen: LastSeen | None = None

    @property
    def orphans(self) -> int:
        """The number of objects that are remembered as orphans."""
        return len(self._remembered)

    @property
    def disputed(self) -> int:
        """The number of jobs whose objects stay although their record is missing."""
        return len(self._disputed)

    async def last_seen(self) -> LastSeen | None:
        """Returns what the marker says of the last run, None where it says nothing. Raises StoreError, RecordError."""
        await self._load_installation()
        return self._last_seen

    async def sweep(self, *, alone: bool) -> None:
        """Looks at every object once. Raises StoreError, RecordError.

        `alone` says that nothing is being uploaded now (one machine, at its start): unfinished writes go at once.
        """
        installation = await self._load_installation()
        others = await asyncio.to_thread(installation.others)
        contested = await self._is_contested(installation)
        unfinished = await self._sweep_unfinished(alone=alone and not others and not contested)
        objects = await asyncio.to_thread(self._list_objects)
        version = int(await self.cache.relist())
        orphans = find_orphans(
            objects,
            self.cache.all(),
            self.cache.quarantined(),
            self.records.namespace,
            keep_source=self.keep_source,
        )
        self._report(why_not_sweep(others, contested))
        before = self._remembered.keys(), self._disputed
        self._dispute(orphans.strangers)
        due = [] if self.problem else self._find_due(orphans, restored=version < self._records_version)
        if self.problem:
            self._remembered = {}
        self._records_version = max(self._records_version, version)
        for key in due:
            await asyncio.to_thread(self.store.delete, key)
            self._remembered.pop(key, None)
        if due or unfinished:
            log.info("swept %d orphaned object(s) and %d unfinished write(s)", len(due), unfinished)
        held = self.clock.held()
        if not held or self._last_seen is None:
            self._last_seen = LastSeen(self.clock.now())
        if contested or before != (self._remembered.keys(), self._disputed) or self._marker_is_old(bool(held)):
            marker = Marker(
                seen_at=self._last_seen.at,
                held_seconds=held.total_seconds(),
                records_version=self._records_version,
                orphans=self._remembered,
                disputed=self._disputed,
            )
            await asyncio.to_thread(installation.write, marker)
            self._written_at, self._written_held = self.clock.monotonic(), bool(held)

    async def _load_installation(self) -> Installation:
        """Returns this installation, and reads at first what an earlier run has remembered."""
        if self._installation is None:
            installation = Installation(self.store, self.records.namespace, await self.records.installation())
            marker = await asyncio.to_thread(installation.read)
            if marker:
                self._remembered, self._disputed = dict(marker.orphans), marker.disputed
                self._records_version = marker.records_version
                if marker.seen_at is not None:
                    self._last_seen = LastSeen(marker.seen_at, timedelta(seconds=marker.held_seconds))
            self._installation = installation
        return self._installation

    async def _is_contested(self, installation: Installation) -> bool:
        """Whether another process has written this installation's marker since this one did."""
        marker = await asyncio.to_thread(installation.read)
        return self._written_at is not None and marker is not None and marker.run != installation.run

    def _marker_is_old(self, held: bool) -> bool:
        if self._written_at is None or held != self._written_held:
            return True
        interval = _HELD_MARKER_INTERVAL if held else _MARKER_INTERVAL
        return self.clock.monotonic() - self._written_at >= interval.total_seconds()

    async def _sweep_unfinished(self, *, alone: bool) -> int:
        if not alone and self.clock.held():
            return 0  # their age is counted by the time of day
        age = timedelta(0) if alone else _UNFINISHED_UPLOAD_AGE
        return await asyncio.to_thread(self.store.sweep_unfinished, age, below=self._prefixes)

    @property
    def _prefixes(self) -> tuple[str, str]:
        return names.uploads_prefix(self.records.namespace), names.jobs_prefix(self.records.namespace)

    def _list_objects(self) -> list[StoredObject]:
        return [stored for prefix in self._prefixes for stored in self.store.list(prefix)]

    def _find_due(self, orphans: Orphans, *, restored: bool) -> list[str]:
        """Returns what may be deleted now. What restored records say of their jobs' objects is not certain."""
        doubtful = [key for key, job in orphans.doubtful.items() if job not in self._disputed]
        if restored:
            return self._remember([*doubtful, *orphans.certain])
        return [*self._remember(doubtful), *orphans.certain]

    def _remember(self, keys: Collection[str]) -> list[str]:
        """Adds the time since the last sweep to the age of each orphan; returns those that are old enough to go."""
        now = self.clock.monotonic()
        passed = 0.0 if self._swept_at is None else now - self._swept_at
        self._swept_at = now
        known, self._remembered = self._remembered, {}
        for key in keys:
            self._remembered[key] = known[key] + passed if key in known else 0.0
        age = self.orphan_age.total_seconds()
        return [key for key, seen in self._remembered.items() if key in known and seen >= age]

    def _dispute(self, strangers: frozenset[str]) -> None:
        records = len(self.cache.all()) + len(self.cache.quarantined())
        disputed = find_disputed(strangers, self._disputed, records)
        if disputed - self._disputed:
            log.warning(
                "there are objects of %d job(s) whose records are missing, and %d record(s): records were lost, so "
                "these objects are never removed by themselves",
                len(disputed),
                records,
            )
        self._disputed = disputed

    def _report(self, problem: str) -> None:
        if problem != self.problem:
            if problem:
                log.warning("orphaned objects are not removed: %s", problem)
            else:
                log.info("orphaned objects are removed again")
        self.problem = problem
