"""The engine's heart: what changed goes into a queue, workers reconcile it, a resync makes up for what was missed."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from whisperjob.engine.cache import RecordCache
from whisperjob.engine.ports import ChangeKind, EventTeller, JobRecords, Launcher, RecordChange, WorkerIdentity
from whisperjob.engine.queue import WorkQueue
from whisperjob.engine.reconcile import Reconciler
from whisperjob.engine.telling import LogTeller
from whisperjob.engine.tidying import find_orphans
from whisperjob.model import names
from whisperjob.model.children import Child
from whisperjob.model.decision import AT_ONCE, Policy, Report
from whisperjob.model.errors import ClaimRefusedError, StoreError, WhisperJobError
from whisperjob.model.manifest import MAX_CHUNK_BYTES
from whisperjob.model.phase import Step
from whisperjob.model.plan import run_limit
from whisperjob.model.protocol import Claim, Input, OptimizeOptions, ProgressPost, WorkLimits
from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.port import ObjectStore, StoredObject

log = logging.getLogger(__name__)

_UNFINISHED_UPLOAD_AGE = timedelta(hours=24)


def utc_now() -> datetime:
    return datetime.now(UTC)


def policy_from(settings: EngineSettings) -> Policy:
    return Policy(
        retention=settings.retention,
        start_deadline=settings.start_deadline,
        run_deadline=settings.run_deadline,
        max_failures=settings.max_failures,
        retry_base=settings.retry_base,
        retry_cap=settings.retry_cap,
        stuck_after=settings.stuck_after,
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
        teller: EventTeller | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._records = records
        self._cache = cache
        self._store = store
        self._launcher = launcher
        self._settings = settings
        self._clock = clock
        self._queue = WorkQueue()
        self._progress_written: dict[str, float] = {}
        self._reconciler = Reconciler(
            records, cache, store, launcher, teller or LogTeller(), policy_from(settings), settings.keep_source, clock
        )
        cache.subscribe(self._record_changed)
        launcher.subscribe(self._child_changed)

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

    async def claim(self, worker: WorkerIdentity) -> Claim:
        """What the worker is to do and what it may touch. Raises ClaimRefusedError if its attempt is over."""
        job = self._attempted(worker)
        settings, source = self._settings, job.spec.source
        lifetime = settings.grant_lifetime
        prefix = names.attempt_prefix(job.metadata.namespace, job.uid, worker.stage, worker.attempt)
        expires_at = self._clock() + lifetime
        return Claim(
            job_name=job.name,
            uid=job.uid,
            attempt=worker.attempt,
            inputs=(
                Input(
                    filename=source.filename,
                    read=await asyncio.to_thread(self._store.grant_read, source.key, lifetime),
                    size_bytes=source.size_bytes,
                    sha256=source.sha256,
                ),
            ),
            results=await asyncio.to_thread(self._store.grant_write, prefix, lifetime, MAX_CHUNK_BYTES),
            options=OptimizeOptions(
                profile=job.spec.profile,
                max_chunk_seconds=job.spec.max_chunk_seconds,
                raw_format=source.raw_format,
                sample_rate=source.sample_rate,
                channels=source.channels,
            ),
            limits=WorkLimits(
                max_duration_seconds=int(settings.max_duration.total_seconds()),
                max_scratch_bytes=settings.max_scratch_bytes,
                run_seconds=int(run_limit(job, self._reconciler.policy).total_seconds()),
            ),
            expires_at=expires_at,
        )

    def report(self, worker: WorkerIdentity, post: ProgressPost) -> None:
        """Takes in a worker's progress; written at most once per interval. Raises ClaimRefusedError."""
        job = self._attempted(worker)
        if not isinstance(post.step, Step):
            raise ClaimRefusedError("not a step of this stage")
        reports = self._reconciler.reports
        known = reports.get(job.uid)
        if known and (known.attempt, known.percent) > (worker.attempt, post.percent):
            return
        reports[job.uid] = Report(worker.attempt, post.step, post.percent, post.duration_seconds)
        interval = self._settings.progress_interval.total_seconds()
        since = time.monotonic() - self._progress_written.get(job.uid, float("-inf"))
        self._queue.add(job.name, timedelta(seconds=max(0.0, interval - since)))

    def _attempted(self, worker: WorkerIdentity) -> WhisperJob:
        job = self._cache.get(worker.job_name)
        if job is None or job.uid != worker.job_uid:
            raise ClaimRefusedError("the job is gone")
        status, spec = job.status, job.spec
        counted = worker.attempt == status.attempt and status.next_attempt_time is not None
        if status.phase.terminal or spec.cancel or spec.suspend or counted or worker.attempt < status.attempt:
            raise ClaimRefusedError("the attempt is over")
        return job

    def _record_changed(self, change: RecordChange) -> None:
        if change.kind is ChangeKind.DELETED:
            self._reconciler.graves.setdefault(change.record.name, []).append(change.record)
            self._progress_written.pop(change.record.uid, None)
        self._queue.add(change.record.name)

    def _child_changed(self, child: Child) -> None:
        if self._reconciler.children.put(child):
            self._queue.add(child.job_name)

    async def _work(self) -> None:
        while True:
            name = await self._queue.get()
            try:
                self._note_progress(name)
                after = await self._reconciler.reconcile(name)
                self._queue.succeeded(name)
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

    def _note_progress(self, name: str) -> None:
        job = self._cache.get(name)
        if job is not None and job.uid in self._reconciler.reports:
            self._progress_written[job.uid] = time.monotonic()

    async def _resync(self) -> None:
        while True:
            await asyncio.sleep(self._settings.resync_interval.total_seconds())
            try:
                await self.resync()
            except WhisperJobError as error:
                log.warning("resync failed, trying again at the next: %s", error)

    async def resync(self) -> None:
        """Looks at everything anew: records, workers, objects. Raises what the ports raise."""
        self._reconciler.children.replace(await self._launcher.children())
        await self._cache.relist()
        living = {job.uid for job in self._cache.all()}
        for child in self._reconciler.children.all():
            if child.job_uid not in living:
                self._reconciler.children.stopped(child)
                await self._launcher.stop(child.name)
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
