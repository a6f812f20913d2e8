"""The control loop: names of changed jobs go into a queue, tasks reconcile them, a resync makes up for lost events."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import timedelta

from whisperjob.deciding.decision import AT_ONCE, Policy, ProgressReport
from whisperjob.deciding.fair_share import FairShare
from whisperjob.deciding.view import moments_of_work
from whisperjob.engine.applying import Applier
from whisperjob.engine.audio_quota import AudioQuota
from whisperjob.engine.claims import build_claim
from whisperjob.engine.event_log import LogEventRecorder
from whisperjob.engine.machine_health import MachineHealth
from whisperjob.engine.observing import Observer
from whisperjob.engine.ports import EventRecorder, Launcher, WorkerIdentity
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.engine.queue import WorkQueue
from whisperjob.engine.reconcile import Reconciler
from whisperjob.engine.sweeping import Sweeper
from whisperjob.engine.watched_clock import WatchedClock, newest_moment
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.backoff import Backoff
from whisperjob.model.clock import utc_now
from whisperjob.model.errors import AttemptOverError, ProtocolViolationError, RecordError, StoreError, WhisperJobError
from whisperjob.model.phase import Stage
from whisperjob.model.protocol import Claim, ProgressPost
from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.model.stages import active_stage, active_work, stage_state
from whisperjob.model.workers import Worker
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import ChangeKind, JobRecords, RecordChange
from whisperjob.stores.port import ObjectStore

log = logging.getLogger(__name__)


def policy_from(settings: EngineSettings, *, diarizes: bool = False) -> Policy:
    """Builds the policy of decisions from the settings; `diarizes` says whether there is a diarizer."""
    return Policy(
        retention=settings.retention,
        start_deadline=settings.start_deadline,
        run_deadline=settings.run_deadline,
        max_failures=settings.max_failures,
        retry=Backoff(settings.retry_base, settings.retry_cap),
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
        clock: WatchedClock | None = None,
    ) -> None:
        """`on_pass` is called after every pass over a job with its seconds, and whether it must be tried again."""
        self._records = records
        self._cache = cache
        self._store = store
        self._launcher = launcher
        self._settings = settings
        self.clock = clock or WatchedClock()
        self._clock_resumed = False
        self.sweeper = Sweeper(records, cache, store, self.clock, settings.orphan_age, settings.keep_source)
        self._on_pass = on_pass
        self._queue = WorkQueue()
        self._workers = WorkerIndex()
        self._progress = ProgressThrottle(settings.progress_interval)
        self._policy = policy_from(settings, diarizes=diarizes)
        self._applier = Applier(
            records=records,
            cache=cache,
            store=store,
            launcher=launcher,
            workers=self._workers,
            progress=self._progress,
            event_recorder=event_recorder or LogEventRecorder(),
            keep_source=settings.keep_source,
            limits_of=settings.limits_of,
        )
        self._audio_quota = AudioQuota(cache, store, self._workers, settings.limits_of, utc_now)
        shares = {stage: FairShare(settings.weight_of) for stage in Stage}
        observer = Observer(
            cache=cache,
            store=store,
            workers=self._workers,
            progress=self._progress,
            policy=self._policy,
            shares=shares,
            clock=self.clock,
            limits_of=settings.limits_of,
            audio_quota=self._audio_quota,
        )
        self._reconciler = Reconciler(observer, self._applier, self.clock)
        self.machine = MachineHealth()
        """What workers lack on their machines."""
        cache.subscribe(self._record_changed)
        launcher.subscribe(self._worker_changed)

    async def prepare(self, *, alone: bool) -> None:
        """Waits for the records and sweeps; to be called before anything new is let in.

        `alone` says that nothing else can be uploading now (embedded mode at its start): unfinished writes go at once.
        """
        await self._cache.wait_synced()
        await self._resume_clock()
        for tombstone in await self._records.tombstones():  # the last run ended before it had removed their objects
            self._reconciler.add_tombstone(tombstone)
            self._queue.add(tombstone.name)
        try:
            await self.sweeper.sweep(alone=alone)
        except (StoreError, RecordError) as error:
            log.warning("orphaned objects stay until the next sweep: %s", error)

    async def run(self) -> None:
        """Works until it is cancelled."""
        await self._cache.wait_synced()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self._settings.reconcile_workers):
                tasks.create_task(self._reconcile_queued())
            tasks.create_task(self._resync_regularly())

    @property
    def oldest_wait(self) -> timedelta:
        """How long the job that waits longest for a pass has waited; zero when none waits."""
        return self._queue.oldest_wait

    @property
    def queue_length(self) -> int:
        """How many jobs wait for a pass now."""
        return len(self._queue)

    async def claim(self, worker: WorkerIdentity) -> Claim:
        """Returns what the worker is to do and what it may touch. Raises AttemptOverError, StoreError."""
        job = self._job_of(worker)
        return await asyncio.to_thread(
            build_claim, job, worker, self._store, self._settings, self._policy, self.clock.now()
        )

    def report(self, worker: WorkerIdentity, post: ProgressPost) -> None:
        """Records a worker's progress, which is written at most once per interval.

        Raises AttemptOverError, ProtocolViolationError.
        """
        job = self._job_of(worker)
        report = ProgressReport(worker.attempt, post.step, post.percent, post.duration_seconds, post.note)
        if report.stage is not worker.stage:
            raise ProtocolViolationError(f"{post.step} is no step of the stage {worker.stage}")
        self._progress.put(job.uid, report)
        self._queue.add(job.name, self._progress.wait(job.uid))

    def _job_of(self, worker: WorkerIdentity) -> WhisperJob:
        """Returns the job that the worker's attempt is for. Raises AttemptOverError."""
        job = self._cache.get(worker.job_name)
        if job is None or job.uid != worker.job_uid:
            raise AttemptOverError("the job is gone")
        state, spec = stage_state(job, worker.stage), job.spec
        failure_counted = worker.attempt == state.attempt and state.next_attempt_time is not None
        stage_idle = active_stage(job) is not worker.stage
        if stage_idle or spec.cancel or spec.suspend or failure_counted or worker.attempt < state.attempt:
            raise AttemptOverError("the attempt is over")
        return job

    def _record_changed(self, change: RecordChange) -> None:
        self.machine.record_changed(change.record, deleted=change.kind is ChangeKind.DELETED)
        if change.kind is ChangeKind.DELETED:
            self._reconciler.add_tombstone(change.record)
            self._progress.forget(change.record.uid)
            self._audio_quota.forget(change.record.spec.tenant)
        self._queue.add(change.record.name)
        if change.kind is ChangeKind.DELETED or active_stage(change.record) is None or change.record.spec.suspend:
            self._queue_others_of(change.record.spec.tenant)

    def _worker_changed(self, worker: Worker) -> None:
        self.machine.worker_changed(worker)
        if self._workers.put(worker):
            self._queue.add(worker.job_name)
        if worker.stopping or worker.state.ended:
            self._queue_waiting(worker)

    def _queue_waiting(self, ended: Worker) -> None:
        """Queues the jobs that may have waited for this worker to end: for its place, or at their tenant's limit."""
        limited = self._policy.limit_of(ended.stage) is not None
        if not limited and not self._settings.tenants:
            return
        for job in self._cache.all():
            if (limited and active_stage(job) is ended.stage) or self._may_wait_for_own(job):
                self._queue.add(job.name)

    def _queue_others_of(self, tenant: str) -> None:
        """Queues what may have waited for a job of the same tenant that waits no longer."""
        if self._settings.limits_of(tenant).running_jobs is not None:
            for job in self._cache.all():
                if job.spec.tenant == tenant and self._may_wait_for_own(job):
                    self._queue.add(job.name)

    def _may_wait_for_own(self, job: WhisperJob) -> bool:
        limit = self._settings.limits_of(job.spec.tenant).running_jobs
        return limit is not None and active_stage(job) is not None

    async def _reconcile_queued(self) -> None:
        while True:
            name = await self._queue.get()
            began, failed = time.monotonic(), True
            try:
                after = await self._reconciler.reconcile(name)
                self._queue.reset_failures(name)
                failed = False
                if after is not None:
                    self._queue.add(name, max(after, AT_ONCE))
            except WhisperJobError as error:
                wait = self._queue.add_after_failure(name)
                log.warning("job %s: trying again in %.1f s: %s", name, wait.total_seconds(), error)
            except Exception:  # a bug that one job meets must not stop the others
                wait = self._queue.add_after_failure(name)
                log.exception("job %s: trying again in %.1f s", name, wait.total_seconds())
            finally:
                self._queue.done(name)
                if self._on_pass is not None:
                    self._on_pass(time.monotonic() - began, failed)

    async def _resync_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_interval.total_seconds())
            try:
                await self.resync()
            except WhisperJobError as error:
                log.warning("resync failed, trying again at the next: %s", error)

    async def resync(self) -> None:
        """Reads everything again: records, workers, objects. Raises what the ports raise."""
        self._workers.replace(await self._launcher.workers())
        await self._cache.relist()
        await self._resume_clock()
        living = {job.uid for job in self._cache.all()} | {record.uid for record in self._cache.quarantined()}
        for worker in self._workers.all():
            if worker.job_uid not in living:
                await self._applier.stop(worker)
        for job in list(self._cache.all()):
            self._queue.add(job.name)
        await self.sweeper.sweep(alone=False)

    async def _resume_clock(self) -> None:
        """Compares the clock, once, with what the records and the marker in the store say of earlier runs."""
        if self._clock_resumed:
            return
        last_seen = None
        try:
            last_seen = await self.sweeper.last_seen()
        except (StoreError, RecordError) as error:
            log.warning("the marker of this installation cannot be read: %s", error)
        self.clock.resume(last_seen, newest_moment(self._cache.all()))
        for job in self._cache.all():
            if work := active_work(job):
                for moment in moments_of_work(work, self._workers.of(job.uid)):
                    self.clock.age(moment)
        self.clock.settle()
        self._clock_resumed = True
