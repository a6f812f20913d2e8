"""The engine's heart: what changed goes into a queue, workers reconcile it, a resync makes up for what was missed."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from whisperjob.deciding.decision import AT_ONCE, Policy, Report
from whisperjob.deciding.view import active_stage, stage_state
from whisperjob.engine.claims import build_claim
from whisperjob.engine.event_log import LogEventRecorder
from whisperjob.engine.garbage import find_orphans
from whisperjob.engine.ports import EventRecorder, Launcher, WorkerIdentity
from whisperjob.engine.progress_throttle import Reports
from whisperjob.engine.queue import WorkQueue
from whisperjob.engine.reconcile import Reconciler
from whisperjob.model import names
from whisperjob.model.errors import ClaimRefusedError, StoreError, WhisperJobError
from whisperjob.model.phase import Stage
from whisperjob.model.protocol import Claim, ProgressPost
from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.model.workers import Worker
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import ChangeKind, JobRecords, RecordChange
from whisperjob.stores.port import ObjectStore, StoredObject

log = logging.getLogger(__name__)

_UNFINISHED_UPLOAD_AGE = timedelta(hours=24)


def utc_now() -> datetime:
    return datetime.now(UTC)


def policy_from(settings: EngineSettings, *, diarizes: bool = False) -> Policy:
    return Policy(
        retention=settings.retention,
        start_deadline=settings.start_deadline,
        run_deadline=settings.run_deadline,
        max_failures=settings.max_failures,
        retry_base=settings.retry_base,
        retry_cap=settings.retry_cap,
        stuck_after=settings.stuck_after,
        import_prefix=settings.import_prefix,
        diarizes=diarizes,
        max_diarizations=settings.max_diarizations,
    )


class Engine:
    """Reconciles all jobs of a namespace, and answers their workers. One event loop."""

    def __init__(
        self,
        *,
        records: JobRecords,
        cache: RecordCache,
        store: ObjectStore,
        launcher: Launcher,
        settings: EngineSettings,
        diarizes: bool = False,
        event_recorder: EventRecorder | None = None,
        on_pass: Callable[[float, bool], None] | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """`on_pass` is told of every pass over a job: how long it took, and whether it has to be tried again."""
        self._records = records
        self._cache = cache
        self._store = store
        self._launcher = launcher
        self._settings = settings
        self._clock = clock
        self._on_pass = on_pass
        self._queue = WorkQueue()
        self._reports = Reports(settings.progress_interval)
        self._reconciler = Reconciler(
            records,
            cache,
            store,
            launcher,
            event_recorder or LogEventRecorder(),
            policy_from(settings, diarizes=diarizes),
            settings.keep_source,
            clock,
            reports=self._reports,
        )
        cache.subscribe(self._record_changed)
        launcher.subscribe(self._worker_changed)

    async def prepare(self, *, alone: bool) -> None:
        """Waits for the records and removes orphans; to be done before anything new is let in.

        `alone`: nothing else can be uploading now (embedded mode at its start), so every upload without a record is
        an orphan, and so is every unfinished write.
        """
        await self._cache.wait_synced()
        try:
            await self._sweep(timedelta(0) if alone else self._settings.orphan_age, alone=alone)
        except StoreError as error:
            log.warning("orphaned objects stay for the next sweep: %s", error)

    async def run(self) -> None:
        """Works until cancelled."""
        await self._cache.wait_synced()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._settings.reconcile_workers):
                tasks.create_task(self._work())
            tasks.create_task(self._resync())

    @property
    def oldest_wait(self) -> timedelta:
        """How long the key that waits longest to be looked at has waited; zero when none waits."""
        return self._queue.oldest_wait

    @property
    def queue_length(self) -> int:
        """How many keys wait to be looked at now."""
        return len(self._queue)

    async def claim(self, worker: WorkerIdentity) -> Claim:
        """What the worker is to do and what it may touch. Raises ClaimRefusedError if its attempt is over."""
        job = self._attempted(worker)
        return await asyncio.to_thread(
            build_claim, job, worker, self._store, self._settings, self._reconciler.policy, self._clock()
        )

    def report(self, worker: WorkerIdentity, post: ProgressPost) -> None:
        """Takes in a worker's progress; written at most once per interval. Raises ClaimRefusedError."""
        job = self._attempted(worker)
        report = Report(worker.attempt, post.step, post.percent, post.duration_seconds, post.note)
        if report.stage is not worker.stage:
            raise ClaimRefusedError("that is no step of this stage")
        self._reports.put(job.uid, report)
        self._queue.add(job.name, self._reports.wait(job.uid))

    def _attempted(self, worker: WorkerIdentity) -> WhisperJob:
        job = self._cache.get(worker.job_name)
        if job is None or job.uid != worker.job_uid:
            raise ClaimRefusedError("the job is gone")
        state, spec = stage_state(job, worker.stage), job.spec
        counted = worker.attempt == state.attempt and state.next_attempt_time is not None
        resting = active_stage(job) is not worker.stage
        if resting or spec.cancel or spec.suspend or counted or worker.attempt < state.attempt:
            raise ClaimRefusedError("the attempt is over")
        return job

    def _record_changed(self, change: RecordChange) -> None:
        if change.kind is ChangeKind.DELETED:
            self._reconciler.graves.setdefault(change.record.name, []).append(change.record)
            self._reports.forget(change.record.uid)
        self._queue.add(change.record.name)

    def _worker_changed(self, worker: Worker) -> None:
        if self._reconciler.workers.put(worker):
            self._queue.add(worker.job_name)
        if worker.stage is Stage.DIARIZE and (worker.stopping or worker.state.ended):
            for job in self._cache.all():  # there may be room for the next
                if active_stage(job) is Stage.DIARIZE:
                    self._queue.add(job.name)

    async def _work(self) -> None:
        while True:
            name = await self._queue.get()
            began, failed = time.monotonic(), True
            try:
                after = await self._reconciler.reconcile(name)
                self._queue.succeeded(name)
                failed = False
                if after is not None:
                    self._queue.add(name, max(after, AT_ONCE))
            except WhisperJobError as error:
                wait = self._queue.add_after_failure(name)
                log.warning("job %s: trying again in %.1f s: %s", name, wait.total_seconds(), error)
            except Exception:  # a bug met by one job must not stop the others
                wait = self._queue.add_after_failure(name)
                log.exception("job %s: trying again in %.1f s", name, wait.total_seconds())
            finally:
                self._queue.done(name)
                if self._on_pass is not None:
                    self._on_pass(time.monotonic() - began, failed)

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_interval.total_seconds())
            try:
                await self.resync()
            except WhisperJobError as error:
                log.warning("resync failed, trying again at the next: %s", error)

    async def resync(self) -> None:
        """Looks at everything anew: records, workers, objects. Raises what the ports raise."""
        self._reconciler.workers.replace(await self._launcher.workers())
        await self._cache.relist()
        living = {job.uid for job in self._cache.all()}
        for worker in self._reconciler.workers.all():
            if worker.job_uid not in living:
                self._reconciler.workers.stopped(worker)
                await self._launcher.stop(worker.name)
        for job in list(self._cache.all()):
            self._queue.add(job.name)
        await self._sweep(self._settings.orphan_age, alone=False)

    async def _sweep(self, upload_age: timedelta, *, alone: bool) -> None:
        unfinished_age = timedelta(0) if alone else _UNFINISHED_UPLOAD_AGE
        swept = await asyncio.to_thread(self._store.sweep_unfinished, unfinished_age)
        objects: list[StoredObject] = []
        for prefix in (names.UPLOADS_PREFIX, names.JOBS_PREFIX):
            objects += await asyncio.to_thread(_listed, self._store, prefix)
        await self._cache.relist()
        orphans = find_orphans(
            objects,
            self._cache.all(),
            self._records.namespace,
            keep_source=self._settings.keep_source,
            now=time.time(),
            upload_age=upload_age,
        )
        for key in orphans:
            await asyncio.to_thread(self._store.delete, key)
        if swept or orphans:
            log.info("swept %d orphaned object(s) and %d unfinished write(s)", len(orphans), swept)


def _listed(store: ObjectStore, prefix: str) -> list[StoredObject]:
    return list(store.list(prefix))
