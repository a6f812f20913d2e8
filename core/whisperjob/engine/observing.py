"""Observes one job: its record, its workers, what they reported and what they left. The decision follows from that."""

import asyncio
from dataclasses import dataclass

from whisperjob.deciding.decision import Observed, Policy, Result
from whisperjob.deciding.rules import needs_result
from whisperjob.deciding.view import current_worker
from whisperjob.engine.attempt_results import read_result
from whisperjob.engine.capacity import attempts_ahead
from whisperjob.engine.progress_throttle import ProgressThrottle
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model import names
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import active_stage, stage_state
from whisperjob.model.workers import Worker
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

    async def observe(self, name: str) -> tuple[WhisperJob, Observed] | None:
        """Returns the job and what was observed of it; None if there is no such job, or it is being deleted.

        Raises StoreUnavailableError.
        """
        job = self.cache.get(name)
        if job is None or job.metadata.deletion_timestamp is not None:
            return None
        workers = self.workers.of(job.uid)
        observed = Observed(
            workers=workers,
            result=await self._result(job) if needs_result(job, workers) else None,
            report=self.progress.take(job.uid),
            ahead=self._ahead(job, workers),
        )
        return job, observed

    async def _result(self, job: WhisperJob) -> Result | None:
        stage = active_stage(job) or Stage.OPTIMIZE
        attempt = stage_state(job, stage).attempt
        prefix = names.attempt_prefix(job.metadata.namespace, job.uid, stage, attempt)
        return await asyncio.to_thread(read_result, self.store, stage, prefix)

    def _ahead(self, job: WhisperJob, workers: tuple[Worker, ...]) -> int:
        """Counts only where it matters: looking at all jobs for each progress of a running one would be waste."""
        stage = active_stage(job)
        if stage is None or self.policy.limit_of(stage) is None or current_worker(job, stage, workers) is not None:
            return 0
        return attempts_ahead(job, stage, self.cache.all(), self.workers)
