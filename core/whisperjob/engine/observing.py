"""Observes one job: its record, its workers, what they reported and what they left. The decision follows from that."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from whisperjob.deciding.decision import Observed, Policy, Result
from whisperjob.deciding.fair_share import FairShare
from whisperjob.deciding.rules import needs_result
from whisperjob.deciding.view import current_worker, moments_of_work
from whisperjob.engine.attempt_results import read_result
from whisperjob.engine.audio_quota import AudioQuota
from whisperjob.engine.capacity import attempts_ahead, tenant_attempts_ahead
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.engine.watched_clock import WatchedClock
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import ActiveWork, active_work
from whisperjob.model.tenants import TenantLimits
from whisperjob.records.cache import RecordCache
from whisperjob.stores.port import ObjectStore


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads what a decision depends on. Only a result is read from the store; all else is in memory."""

    cache: RecordCache
    store: ObjectStore
    workers: WorkerIndex
    progress: ProgressThrottle
    policy: Policy
    shares: Mapping[Stage, FairShare]
    clock: WatchedClock
    limits_of: Callable[[str], TenantLimits]
    audio_quota: AudioQuota

    async def observe(self, name: str) -> tuple[WhisperJob, Observed] | None:
        """Returns the job and what was observed of it; None if there is no such job, or it is being deleted.

        Raises StoreUnavailableError. Whatever is counted over all jobs is counted last, with no wait in between.
        """
        job = self.cache.get(name)
        if job is None or job.metadata.deletion_timestamp is not None:
            return None
        workers, work = self.workers.of(job.uid), active_work(job)
        if work is None:
            self.progress.forget(job.uid)  # nobody takes it, and a pending report makes the next pass
            return job, Observed(workers, deletion_held=self.clock.held())
        current = current_worker(work, workers)
        tenant_limit = self.limits_of(job.spec.tenant).running_jobs
        audio_wait = timedelta(0) if current else await self.audio_quota.wait(work)
        observed = Observed(
            workers=workers,
            result=await self._result(work) if needs_result(work, current) else None,
            report=self.progress.take(job.uid),
            ahead=0 if current else self._ahead(work),
            tenant_ahead=0 if current or tenant_limit is None else self._tenant_ahead(work),
            tenant_limit=tenant_limit,
            audio_wait=audio_wait,
            ages={moment: self.clock.age(moment) for moment in moments_of_work(work, workers)},
        )
        return job, observed

    async def _result(self, work: ActiveWork) -> Result | None:
        job, attempt = work.job, work.state.attempt
        prefix = names.attempt_prefix(job.metadata.namespace, job.uid, work.stage, attempt)
        return await asyncio.to_thread(read_result, self.store, work.stage, prefix)

    def _ahead(self, work: ActiveWork) -> int:
        """Counts only where there is a limit: looking at all jobs for nothing would be waste."""
        if self.policy.limit_of(work.stage) is None:
            return 0
        return attempts_ahead(work, self.cache.all(), self.workers, self.shares[work.stage], time.monotonic())

    def _tenant_ahead(self, work: ActiveWork) -> int:
        return tenant_attempts_ahead(work, self.cache.all(), self.workers)
