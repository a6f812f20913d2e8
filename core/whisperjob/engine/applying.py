"""Applies a decision: at most one write of the record or one new worker, then what accompanies it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from whisperjob.deciding.decision import AT_ONCE, Decision
from whisperjob.engine.garbage import collect_deleted_job, collect_ended_job
from whisperjob.engine.ports import EventRecorder, Launch, Launcher
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model import names
from whisperjob.model.clock import utc_now
from whisperjob.model.errors import RecordConflictError, StoreError
from whisperjob.model.phase import Stage
from whisperjob.model.resource import Status, WhisperJob
from whisperjob.model.stages import active_stage
from whisperjob.model.tenants import TenantLimits
from whisperjob.model.workers import Worker
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import JobRecords
from whisperjob.stores.port import ObjectStore
from whisperjob.stores.usage_ledger import note_deletion

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Applier:
    """Changes the world as decisions say. Its methods raise what the ports raise; a repeated call does no harm."""

    records: JobRecords
    cache: RecordCache
    store: ObjectStore
    launcher: Launcher
    workers: WorkerIndex
    progress: ProgressThrottle
    event_recorder: EventRecorder
    keep_source: bool
    limits_of: Callable[[str], TenantLimits]
    _uncollected: set[str] = field(default_factory=set)
    """The uids of jobs with a stage that ends, or that may have ended: a write may succeed whose answer is lost."""

    async def apply(self, job: WhisperJob, decision: Decision) -> timedelta | None:
        """Returns when to reconcile the job again; None if only a change of something makes that worthwhile.

        Raises RecordConflictError if the record has changed since it was observed, RecordNotFoundError.
        """
        if decision.status is not None:
            if decision.status.phase.terminal:
                self._uncollected.add(job.uid)
            job = await self._write(job, decision.status)
        if decision.launch_attempt is not None:
            await self._launch(job, decision.launch_stage, decision.launch_attempt)
        for worker in self.workers.of(job.uid):
            if worker.name in decision.stop:
                await self.stop(worker)
        if job.uid in self._uncollected and active_stage(job) is None:
            await self._collect_garbage(job)
            self._uncollected.discard(job.uid)
        if decision.delete_record:
            if self.limits_of(job.spec.tenant).has_limit_of_a_day:
                await asyncio.to_thread(note_deletion, self.store, job, utc_now())
            await self.records.delete(job.name, job.uid)
            self.cache.forget(job)
        for event in decision.events:
            await self.event_recorder.record(job, event)
        return self._requeue_after(job, decision)

    def _requeue_after(self, job: WhisperJob, decision: Decision) -> timedelta | None:
        """Comes back no later than the throttle lets a pending report through.

        A report may become due in the middle of a pass that has not taken it: its wait is then zero, and no timer is
        left that would bring the job back.
        """
        after = decision.requeue_after if decision.launch_attempt is None else AT_ONCE
        if not self.progress.pending(job.uid):
            return after
        wait = max(self.progress.wait(job.uid), AT_ONCE)
        return wait if after is None else min(after, wait)

    async def finalize(self, tombstone: WhisperJob) -> None:
        """Removes what a deleted job left: its workers first, for one that still lived could write objects again."""
        for worker in self.workers.of(tombstone.uid):
            await self.stop(worker)
        self.progress.forget(tombstone.uid)
        self._uncollected.discard(tombstone.uid)
        await asyncio.to_thread(collect_deleted_job, self.store, tombstone)
        await self.records.finalized(tombstone.uid)

    async def stop(self, worker: Worker) -> None:
        """Stops a worker on purpose: how it ends says nothing about its work."""
        self.workers.mark_stopped(worker)
        await self.launcher.stop(worker.name)

    async def _write(self, job: WhisperJob, status: Status) -> WhisperJob:
        written = await self.records.patch_status(job.name, status, job.version)
        self.cache.put(written)
        return written

    async def _launch(self, job: WhisperJob, stage: Stage, attempt: int) -> None:
        live = await self.records.get(job.name)
        if live.version != job.version:  # the cache is behind: decide again on what is true
            raise RecordConflictError(job.name)
        name = names.worker_name(job.uid, stage, attempt)
        self.workers.put(await self.launcher.start(Launch(job=live, stage=stage, attempt=attempt, name=name)))

    async def _collect_garbage(self, job: WhisperJob) -> None:
        """Removes the garbage of an idle job; if that fails, the next sweep does it."""
        self.progress.forget(job.uid)
        try:
            await asyncio.to_thread(collect_ended_job, self.store, job, keep_source=self.keep_source)
        except StoreError as error:
            log.warning("job %s: its garbage stays until the next sweep: %s", job.name, error)
