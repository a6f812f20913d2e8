"""How long a job has to wait until its tenant may have more sound worked on: the limit of hours a day."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from whisperjob.deciding.daily_limits import audio_wait, guess_audio
from whisperjob.engine.capacity import comes_before
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Stage
from whisperjob.model.stages import ActiveWork, active_stage
from whisperjob.model.tenants import TenantLimits
from whisperjob.model.usage import Use, to_use
from whisperjob.records.cache import RecordCache
from whisperjob.stores.port import ObjectStore
from whisperjob.stores.usage_ledger import read_deleted

_REREAD_SECONDS = 60.0
"""The ledger is read again after a job was deleted, or after this: another process may have deleted one."""


class AudioQuota:
    """What tenants with a limit have used. It remembers what deleted jobs used, which is read from the store."""

    def __init__(
        self,
        cache: RecordCache,
        store: ObjectStore,
        workers: WorkerIndex,
        limits_of: Callable[[str], TenantLimits],
        clock: Callable[[], datetime],
    ) -> None:
        self._cache = cache
        self._store = store
        self._workers = workers
        self._limits_of = limits_of
        self._clock = clock
        self._deleted: dict[str, tuple[float, list[Use]]] = {}

    async def wait(self, work: ActiveWork) -> timedelta:
        """Returns how long the job has to wait; zero where it may start now. Raises StoreError."""
        tenant = work.job.spec.tenant
        limit = self._limits_of(tenant).audio_hours_per_day
        if limit is None or work.stage is not Stage.OPTIMIZE:
            return timedelta(0)
        deleted = await self._read_deleted(work.job.metadata.namespace, tenant)
        uses = {use.uid: use for use in deleted} | {use.uid: use for use in self._uses_of_others(work)}
        uses.pop(work.job.uid, None)
        return audio_wait(uses.values(), limit, self._clock())

    def forget(self, tenant: str) -> None:
        """Reads the ledger again for this tenant: one of its jobs was deleted."""
        self._deleted.pop(tenant, None)

    async def _read_deleted(self, namespace: str, tenant: str) -> list[Use]:
        read_at, uses = self._deleted.get(tenant, (float("-inf"), []))
        if time.monotonic() - read_at >= _REREAD_SECONDS:
            read_at = time.monotonic()
            uses = await asyncio.to_thread(read_deleted, self._store, namespace, tenant, self._clock())
            self._deleted[tenant] = (read_at, uses)
        return uses

    def _uses_of_others(self, work: ActiveWork) -> Iterator[Use]:
        """Yields what the tenant's other jobs used. What begins before this one counts already, by a guess."""
        for job in self._cache.all():
            if job.spec.tenant != work.job.spec.tenant or job.uid == work.job.uid:
                continue
            use = to_use(job)
            has_worker = any(not worker.state.ended for worker in self._workers.of(job.uid))
            if active_stage(job) is Stage.OPTIMIZE and (has_worker or comes_before(job, work)):
                use = guess_audio(replace(use, started_at=use.started_at or self._clock()))
            yield use
