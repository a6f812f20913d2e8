"""One pass over one job: observe, decide, apply. The decision is pure (model/plan.py); here is only its I/O."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from whisperjob.deciding.decision import AT_ONCE, Decision, Observed, Policy, Result
from whisperjob.deciding.rules import decide, needs_result
from whisperjob.deciding.view import active_stage, current_worker, stage_state
from whisperjob.engine.attempt_results import read_result
from whisperjob.engine.diarizations import diarizations_ahead
from whisperjob.engine.garbage import collect_deleted_job, collect_ended_job
from whisperjob.engine.ports import EventRecorder, Launch, Launcher
from whisperjob.engine.progress_throttle import Reports
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model import names
from whisperjob.model.errors import RecordConflictError, RecordNotFoundError, StoreError
from whisperjob.model.phase import Stage
from whisperjob.model.resource import Status, WhisperJob
from whisperjob.model.workers import Worker
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import JobRecords
from whisperjob.stores.port import ObjectStore

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Reconciler:
    """What a pass needs. `graves` are deleted records whose workers and objects may still be there, by name."""

    records: JobRecords
    cache: RecordCache
    store: ObjectStore
    launcher: Launcher
    event_recorder: EventRecorder
    policy: Policy
    keep_source: bool
    clock: Callable[[], datetime]
    workers: WorkerIndex = field(default_factory=WorkerIndex)
    reports: Reports = field(default_factory=lambda: Reports(timedelta(0)))
    graves: dict[str, list[WhisperJob]] = field(default_factory=dict)

    async def reconcile(self, name: str) -> timedelta | None:
        """Brings one job a step further; returns when to come back, None if only a change is worth a new look.

        Raises what the ports raise: the caller tries again later.
        """
        while graves := self.graves.get(name):
            await self._bury(graves[0])
            graves.pop(0)
        self.graves.pop(name, None)
        job = self.cache.get(name)
        if job is None or job.metadata.deletion_timestamp is not None:
            return None
        workers = self.workers.of(job.uid)
        result = await self._result(job) if needs_result(job, workers) else None
        report = self.reports.take(job.uid)
        ahead = diarizations_ahead(job, self.cache.all(), self.workers) if self._needs_room(job, workers) else 0
        seen = Observed(workers=workers, result=result, report=report, diarizations_ahead=ahead)
        decision = decide(job, seen, self.clock(), self.policy)
        try:
            return self._or_progress(job, await self._apply(job, decision))
        except RecordConflictError:
            self.cache.put(await self.records.get(name))
            return AT_ONCE
        except RecordNotFoundError:
            self.cache.forget(job)
            return AT_ONCE

    def _or_progress(self, job: WhisperJob, after: timedelta | None) -> timedelta | None:
        """Comes back no later than what its worker said last may be told."""
        wait = self.reports.wait(job.uid)
        return min(after or wait, wait) if wait else after

    def _needs_room(self, job: WhisperJob, workers: tuple[Worker, ...]) -> bool:
        """Whether it matters how many diarizations go before this one: looking at all jobs is no work for each
        progress of one that runs."""
        if self.policy.max_diarizations is None or active_stage(job) is not Stage.DIARIZE:
            return False
        return current_worker(job, Stage.DIARIZE, workers) is None

    async def _result(self, job: WhisperJob) -> Result | None:
        stage = active_stage(job) or Stage.OPTIMIZE
        attempt = stage_state(job, stage).attempt
        prefix = names.attempt_prefix(job.metadata.namespace, job.uid, stage, attempt)
        return await asyncio.to_thread(read_result, self.store, stage, prefix)

    async def _apply(self, job: WhisperJob, decision: Decision) -> timedelta | None:
        if decision.status is not None:
            await self._write(job, decision.status)
        if decision.launch_attempt is not None:
            await self._launch(job, decision.launch_stage, decision.launch_attempt)
        for worker in self.workers.of(job.uid):
            if worker.name in decision.stop:
                self.workers.stopped(worker)
                await self.launcher.stop(worker.name)
        if decision.status is not None:
            await self._tidy_at_rest(job.model_copy(update={"status": decision.status}))
        if decision.delete_record:
            await self.records.delete(job.name, job.uid)
            self.cache.forget(job)
        for event in decision.events:
            await self.event_recorder.record(job, event)
        return decision.requeue_after if decision.launch_attempt is None else AT_ONCE

    async def _write(self, job: WhisperJob, status: Status) -> None:
        self.cache.put(await self.records.patch_status(job.name, status, job.version))

    async def _launch(self, job: WhisperJob, stage: Stage, attempt: int) -> None:
        live = await self.records.get(job.name)
        if live.version != job.version:  # the copy is behind: decide again on what is true
            raise RecordConflictError(job.name)
        name = names.worker_name(job.uid, stage, attempt)
        worker = await self.launcher.start(Launch(job=live, stage=stage, attempt=attempt, name=name))
        self.workers.put(worker)

    async def _tidy_at_rest(self, job: WhisperJob) -> None:
        """What is left behind here, the sweeper finds later: the job rests all the same."""
        if active_stage(job) is not None:
            return
        self.reports.forget(job.uid)
        try:
            await asyncio.to_thread(collect_ended_job, self.store, job, keep_source=self.keep_source)
        except StoreError as error:
            log.warning("job %s: its leftovers stay for the next sweep: %s", job.name, error)

    async def _bury(self, job: WhisperJob) -> None:
        """Workers first: one that still lived could write after its objects were removed."""
        for worker in self.workers.of(job.uid):
            self.workers.stopped(worker)
            await self.launcher.stop(worker.name)
        self.reports.forget(job.uid)
        await asyncio.to_thread(collect_deleted_job, self.store, job)
