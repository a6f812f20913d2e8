"""The first step of a transcription: the completed job of the recording."""

from pathlib import Path

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.errors import ConflictError, NotFoundError
from whisperjob_client.models import Job
from whisperjob_client.options import UploadOptions
from whisperjob_client.transcription.checkpoint import Checkpoint, StoredJob
from whisperjob_client.transcription.job_merge import check_chunks
from whisperjob_client.transcription.options import Watcher
from whisperjob_client.transfer.uploading import new_idempotency_key


class JobStep:
    """Uploads a recording and waits for its job, or continues the job of an earlier run.

    `server` names the server in the checkpoint.
    """

    def __init__(
        self, client: AsyncClient, server: str, options: UploadOptions, checkpoint: Checkpoint, watcher: Watcher
    ) -> None:
        self._client = client
        self._options = options
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._key = {"server": server, **options.to_key()}

    def stored(self) -> Job | None:
        """Returns the completed job, if the checkpoint has it."""
        stored = self._checkpoint.job(self._key)
        return stored.job if stored else None

    async def run(self, file: Path) -> Job:
        """Returns the completed job: that of an earlier run if the service still has it, or a new one.

        Raises JobFailedError and what else a client raises, StorageError, BadAnswerError if the chunks contradict each
        other.
        """
        stored = self._checkpoint.job(self._key)
        job_id = await self._existing_job(stored)
        idempotency_key = stored.idempotency_key if stored else new_idempotency_key()
        if job_id is None:
            if stored and stored.job_id:  # the service has lost that job, and may still know the key
                idempotency_key = new_idempotency_key()
            self._store(StoredJob(idempotency_key=idempotency_key))
            job_id, idempotency_key = await self._submit(file, idempotency_key)
            self._store(StoredJob(idempotency_key=idempotency_key, job_id=job_id))
        self._watcher.working(Job(job_id=job_id, status="queued"))
        job = await self._client.wait(job_id, on_change=self._watcher.working)
        check_chunks(job.chunks)
        self._store(StoredJob(idempotency_key=idempotency_key, job_id=job_id, job=job))
        return job

    def _store(self, job: StoredJob) -> None:
        self._checkpoint.store_job(self._key, job)

    async def _existing_job(self, stored: StoredJob | None) -> str | None:
        """Returns the id of the earlier run's job, if the service has it and it did not fail."""
        if stored is None or stored.job_id is None:
            return None
        try:
            job = await self._client.job(stored.job_id)
        except NotFoundError:
            return None
        return None if job.status == "error" else job.job_id

    async def _submit(self, file: Path, key: str) -> tuple[str, str]:
        """Returns the job's id, and the Idempotency-Key it was made with: a new one if the stored key was used for a
        different request."""
        report = self._watcher.uploaded
        try:
            accepted = await self._client.submit(file, self._options, idempotency_key=key, on_sent=report)
        except ConflictError:
            key = new_idempotency_key()
            accepted = await self._client.submit(file, self._options, idempotency_key=key, on_sent=report)
        for warning in accepted.warnings:
            self._watcher.note(warning.message)
        return accepted.job_id, key
