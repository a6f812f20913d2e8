"""Running a job again that ended with an error of the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from whisperjob.model.errors import RecordConflictError
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import is_retryable, retry_is_due
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.listing import list_unfinished
from whisperjob_api.services import ApiServices

_MAX_TRIES = 5


def find_refusal(job: WhisperJob) -> str | None:
    """Returns why the job cannot be run again, None if it can. Pure."""
    if is_retryable(job.status):
        return None
    match job.status.phase:
        case Phase.COMPLETED:
            return "The job is completed; there is nothing to run again."
        case Phase.ERROR:
            return "The job would end in the same way again; upload another recording."
        case Phase.QUEUED | Phase.PROCESSING:
            return "The job has not ended yet."


@contextmanager
def _admitted(services: ApiServices, job: WhisperJob) -> Iterator[None]:
    """Holds a place among the tenant's unfinished jobs. Raises RequestError `too_many_jobs` if there is none."""
    tenant, gate = job.spec.tenant, services.upload_gate
    unfinished = list_unfinished(services.cache.all(), tenant)
    place = gate.admit(tenant, job.spec.source.size_bytes, unfinished, None, services.settings)
    try:
        yield
    finally:
        gate.release(place)


async def ensure_retry(services: ApiServices, job: WhisperJob) -> WhisperJob:
    """Returns the job with a request to run again, which it may have already.

    `job` may be slightly out of date. Raises RequestError `not_retryable`, `too_many_jobs`; RecordError, StoreError.
    """
    for _ in range(_MAX_TRIES):
        if retry_is_due(job):
            return job
        if refusal := find_refusal(job):
            raise RequestError(HttpCode.NOT_RETRYABLE, refusal)
        if await services.threads.run(services.store.stat, job.spec.source.key) is None:
            raise RequestError(HttpCode.NOT_RETRYABLE, "The recording was removed already; upload it again.")
        with _admitted(services, job):
            try:
                return await services.records.patch_spec(job.name, job.spec.with_retry(uuid4().hex[:30]), job.version)
            except RecordConflictError:
                job = await services.records.get(job.name)
    raise RequestError(HttpCode.UNAVAILABLE, "The job changes all the time; try again.", retry_after_seconds=1)
