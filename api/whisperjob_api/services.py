"""What the routes work with: the composition given from outside, and what is derived from it once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Path
from starlette.requests import Request

from whisperjob.model.errors import RecordNotFoundError
from whisperjob.model.names import is_job_name
from whisperjob.model.phase import Phase
from whisperjob.model.resource import Output, WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import JobRecords
from whisperjob.stores.port import ObjectStore
from whisperjob_api.admission import UploadGate
from whisperjob_api.error_responses import no_such_job
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.job_results import Results
from whisperjob_api.threads import Threads


@dataclass(frozen=True)
class Api:
    """Everything the API needs from outside.

    `engine_ready` says whether recordings can be worked on (the `ffmpeg` of /health). `uploads.close()` lets no new
    upload in; the ones in flight go on. `diarizes` says whether there is a diarizer, `no_diarizer` what who asks is
    told where there is none.
    """

    records: JobRecords
    cache: RecordCache
    store: ObjectStore
    settings: ApiSettings
    engine_ready: Callable[[], bool]
    diarizes: bool = False
    no_diarizer: str = "This service has no diarizer."
    uploads: UploadGate = field(default_factory=UploadGate)


class Services:
    """One per app."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.threads = Threads(api.settings.max_concurrent_uploads)
        self.results = Results(api.store, self.threads)
        self._trims: dict[str, asyncio.Lock] = {}

    async def job(self, name: str, tenant: str) -> WhisperJob:
        """The tenant's job. Raises RequestError `not_found`, for another tenant's too.

        A name the cache does not know is asked for once, live: another replica may have created it just now.
        """
        job = self.api.cache.get(name)
        if job is None:
            job = await self._live(name)
        if job is None or job.spec.tenant != tenant:
            raise no_such_job()
        return job

    async def _live(self, name: str) -> WhisperJob | None:
        if not is_job_name(name):
            return None
        try:
            job = await self.api.records.get(name)
        except RecordNotFoundError:
            return None
        self.api.cache.put(job)
        return job

    async def completed_job(self, name: str, tenant: str) -> tuple[WhisperJob, Output]:
        """Raises RequestError `not_found`, `not_completed`."""
        job = await self.job(name, tenant)
        if job.status.phase is Phase.ERROR:
            raise RequestError(HttpCode.NOT_COMPLETED, "The job failed; it has no output.")
        if job.status.phase is not Phase.COMPLETED or job.status.output is None:
            raise RequestError(HttpCode.NOT_COMPLETED, "The job is not completed yet.")
        return job, job.status.output

    @asynccontextmanager
    async def sole_trim(self, uid: str) -> AsyncIterator[None]:
        """Trims of one job run one after the other."""
        lock = self._trims.setdefault(uid, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._trims.pop(uid, None)


async def _services(request: Request) -> Services:
    """A coroutine although it waits for nothing: FastAPI sends plain functions to a thread, at a third of a request."""
    return cast(Services, request.app.state.services)


async def _tenant(request: Request) -> str:
    """Checked and put there by auth.ApiKeyMiddleware."""
    return cast(str, request.state.tenant)


Use = Annotated[Services, Depends(_services)]
Tenant = Annotated[str, Depends(_tenant)]
JobId = Annotated[str, Path(description="The job's id", examples=["a1b2c3d4-e5f6-4890-abcd-ef1234567890"])]
FileName = Annotated[str, Path(description="A name of the job's chunks or its trim", examples=["output.mp3"])]
