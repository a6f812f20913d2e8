"""What the routes work with: the dependencies given from outside, and the services built on them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Protocol, cast

from fastapi import Depends, Path
from starlette.requests import Request

from whisperjob.model.clock import utc_now
from whisperjob.model.errors import RecordNotFoundError, RecordUnreadableError
from whisperjob.model.names import is_job_name
from whisperjob.model.options import AudioOptions
from whisperjob.model.phase import Phase
from whisperjob.model.resource import Output, WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob.model.space import SpaceNeed, WorkerUse
from whisperjob.records.cache import RecordCache
from whisperjob.records.port import JobRecords
from whisperjob.stores.port import ObjectStore
from whisperjob.stores.usage_ledger import note_deletion
from whisperjob_api.admission import NO_NEED, Room, UploadGate
from whisperjob_api.error_responses import job_not_found
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.fair_turns import FairTurns
from whisperjob_api.job_results import JobResults
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.thread_pools import TRIM_THREADS, ThreadPools
from whisperjob_api.upload_slots import UploadSlots


class WorkerDisk(Protocol):
    """The workers' part of the disk that they share with the store."""

    def need(self, source_bytes: int, audio: AudioOptions | None = None) -> SpaceNeed:
        """Estimates what a job needs whose source has this size; without options, of the usual ones."""
        ...

    def use(self) -> WorkerUse:
        """Returns what the running workers have of the disk. Reads the sizes of their few files, without waiting."""
        ...


@dataclass(frozen=True)
class ApiDependencies:
    """Everything that the API needs from outside.

    `engine_ready` returns whether recordings can be processed (the `ffmpeg` of /health). `diarizes` says whether there
    is a diarizer; where there is none, `no_diarizer_message` is the error of POST /diarize. `machine_problem` returns
    what workers lack on this machine, empty if nothing. `upload_gate.close()` refuses new uploads, and those in flight
    continue. `keys` are the valid ones, which the program keeps up to date; without it they are those of the settings.
    `worker_disk` is None where workers have disks of their own.
    """

    records: JobRecords
    cache: RecordCache
    store: ObjectStore
    settings: ApiSettings
    engine_ready: Callable[[], bool]
    diarizes: bool = False
    no_diarizer_message: str = "This service has no diarizer."
    machine_problem: Callable[[], str] = str
    upload_gate: UploadGate = field(default_factory=UploadGate)
    keys: KeySource | None = None
    worker_disk: WorkerDisk | None = None


class ApiServices:
    """The dependencies and what is built on them. There is one instance for each app."""

    def __init__(self, dependencies: ApiDependencies) -> None:
        self.records = dependencies.records
        self.cache = dependencies.cache
        self.store = dependencies.store
        self.settings = dependencies.settings
        self.engine_ready = dependencies.engine_ready
        self.machine_problem = dependencies.machine_problem
        self.no_diarizer_message = None if dependencies.diarizes else dependencies.no_diarizer_message
        """The error of a request for a diarization; None where there is a diarizer."""
        self.upload_gate = dependencies.upload_gate
        self.upload_slots = UploadSlots(
            self.settings.max_concurrent_uploads, self.settings.slow_upload_bytes_per_second, self.settings.weight_of
        )
        self.threads = ThreadPools(self.settings.max_concurrent_uploads)
        self.worker_disk = dependencies.worker_disk
        self.results = JobResults(dependencies.store, self.threads)
        self.trim_turns = FairTurns(TRIM_THREADS, self.settings.weight_of)
        self._trim_locks: dict[str, asyncio.Lock] = {}

    async def get_job(self, name: str, tenant: str) -> WhisperJob:
        """Returns the tenant's job. Raises RequestError `not_found`, also for a job of another tenant.

        Raises RecordUnreadableError where the record is the tenant's and cannot be read.

        A name that the cache does not have is looked up once in the records: another replica may have created the job
        just now. Names are lower-case, and spreadsheets and form builders like to change that, or to add a space.
        """
        name = name.strip().lower()
        job = self.cache.get(name)
        if job is None:
            job = await self._read_job(name, tenant)
        if job is None or job.spec.tenant != tenant:
            raise job_not_found()
        return job

    async def _read_job(self, name: str, tenant: str) -> WhisperJob | None:
        if not is_job_name(name):
            return None
        try:
            job = await self.records.get(name)
        except RecordNotFoundError:
            return None
        except RecordUnreadableError as error:
            if error.tenant == tenant:
                raise
            return None
        self.cache.put(job)
        return job

    async def delete_job(self, name: str, tenant: str) -> None:
        """Deletes the tenant's job, also if its record cannot be read. Raises RequestError `not_found`."""
        try:
            job = await self.get_job(name, tenant)
        except RecordUnreadableError as error:
            await self.records.delete(error.name, error.uid)
            self.cache.release(error.name)
            return
        if self.settings.limits_of(tenant).has_limit_of_a_day:
            await self.threads.run(note_deletion, self.store, job, utc_now())
        await self.records.delete(job.name, job.uid)
        self.cache.forget(job)

    async def get_completed_job(self, name: str, tenant: str) -> tuple[WhisperJob, Output]:
        """Returns the tenant's job and its output. Raises RequestError `not_found`, `not_completed`."""
        job = await self.get_job(name, tenant)
        if job.status.phase is Phase.ERROR:
            raise RequestError(HttpCode.NOT_COMPLETED, "The job failed; it has no output.")
        if job.status.phase is not Phase.COMPLETED or job.status.output is None:
            raise RequestError(HttpCode.NOT_COMPLETED, "The job is not completed yet.")
        return job, job.status.output

    def need(self, source_bytes: int) -> SpaceNeed:
        """Returns what the job of an upload is expected to need of the store's disk."""
        return NO_NEED if self.worker_disk is None else self.worker_disk.need(source_bytes)

    async def measure_room(self) -> Room | None:
        """Returns the room on the store's disk; None where that is not known. Raises StoreError.

        Nothing is awaited after the workers were looked at, so that none starts before an upload is admitted.
        """
        free_bytes = await self.threads.run(self.store.free_bytes)
        disk = self.worker_disk
        if free_bytes is None or disk is None:
            return None if free_bytes is None else Room(free_bytes)
        unfinished = (job for job in self.cache.all() if not job.status.phase.terminal)
        needs = tuple(disk.need(job.spec.source.size_bytes, job.spec.audio_options) for job in unfinished)
        return Room(free_bytes, disk.use(), needs)

    @asynccontextmanager
    async def lock_trim(self, uid: str) -> AsyncIterator[None]:
        """Makes the trims of one job run one after the other."""
        lock = self._trim_locks.setdefault(uid, asyncio.Lock())
        try:
            async with lock:
                yield
        finally:
            if not lock.locked():
                self._trim_locks.pop(uid, None)


async def _get_services(request: Request) -> ApiServices:
    """Returns the app's services.

    It is a coroutine although it awaits nothing: FastAPI runs plain functions in a thread, which costs a third of a
    request.
    """
    return cast(ApiServices, request.app.state.services)


async def _get_tenant(request: Request) -> str:
    """Returns the tenant that `auth.ApiKeyMiddleware` checked and put there."""
    return cast(str, request.state.tenant)


Services = Annotated[ApiServices, Depends(_get_services)]
Tenant = Annotated[str, Depends(_get_tenant)]
JobId = Annotated[str, Path(description="The job's id", examples=["a1b2c3d4-e5f6-4890-abcd-ef1234567890"])]
FileName = Annotated[str, Path(description="A name of the job's chunks or its trim", examples=["output.mp3"])]
