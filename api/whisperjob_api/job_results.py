"""What a job left in the store, read back: its manifest, and the pointer to its latest trim."""

import hashlib
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from whisperjob.model import names
from whisperjob.model.errors import ObjectNotFoundError, StoreError
from whisperjob.model.manifest import MAX_MANIFEST_BYTES, MAX_TIMELINE_BYTES, Manifest, Trim
from whisperjob.model.resource import DiarizationState, Output, WhisperJob
from whisperjob.model.timeline import Timeline
from whisperjob.stores.port import ObjectStore, read_all
from whisperjob_api import views
from whisperjob_api.recent import Recent
from whisperjob_api.threads import Threads

M = TypeVar("M", bound=BaseModel)

CACHED_TIMELINES: Final = 32
"""One of an hour is some 100 kB."""

CACHED_VIEWS: Final = 1024
"""Of completed jobs, as JSON: 300 bytes and as much for each chunk."""

CACHED_MANIFESTS: Final = 256
"""A manifest of 24 h of audio has some 40 chunks: 256 of them are a few MB."""

MAX_TRIM_BYTES: Final = 1024 * 1024


class DamagedResultError(StoreError):
    """What the store holds is not what was written."""


class Results:
    """Manifests never change, so each is read once and kept by its hash; so is what a completed job looks like."""

    def __init__(self, store: ObjectStore, threads: Threads) -> None:
        self._store = store
        self._threads = threads
        self._manifests: Recent[str, Manifest] = Recent(CACHED_MANIFESTS)
        self._timelines: Recent[str, Timeline] = Recent(CACHED_TIMELINES)
        self._views: Recent[tuple[str, str], bytes] = Recent(CACHED_VIEWS)

    async def manifest(self, output: Output) -> Manifest:
        """Raises ObjectNotFoundError, DamagedResultError, StoreUnavailableError."""
        known = self._manifests.get(output.manifest_sha256)
        if known is None:
            known = await self._threads.call(
                self._read, Manifest, output.manifest_key, output.manifest_sha256, MAX_MANIFEST_BYTES
            )
            self._manifests.put(output.manifest_sha256, known)
        return known

    async def view(self, job: WhisperJob) -> bytes:
        """The job as JSON. Raises what `manifest` does.

        A completed job is polled more often than it changes: its JSON is made once for each version of its record.
        """
        output = job.status.output
        if output is None:
            return views.to_json(views.job_view(job))
        known = self._views.get((job.uid, job.version))
        if known is None:
            known = views.to_json(views.job_view(job, await self.manifest(output)))
            self._views.put((job.uid, job.version), known)
        return known

    async def timeline(self, state: DiarizationState) -> Timeline:
        """Of a completed diarization. Raises what `manifest` does."""
        if state.result_key is None or state.result_sha256 is None:
            raise DamagedResultError("a diarization without a result")
        known = self._timelines.get(state.result_sha256)
        if known is None:
            known = await self._threads.call(
                self._read, Timeline, state.result_key, state.result_sha256, MAX_TIMELINE_BYTES
            )
            self._timelines.put(state.result_sha256, known)
        return known

    def _read(self, model: type[M], key: str, sha256: str, max_bytes: int) -> M:
        try:
            data = read_all(self._store, key, max_bytes)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise DamagedResultError(f"{key} is not what the engine saw")
            return model.model_validate_json(data)
        except (ValueError, ValidationError) as error:
            raise DamagedResultError(f"{key} is no {model.__name__}: {error}") from error

    async def trim(self, job: WhisperJob) -> Trim | None:
        """The latest trim, None if there is none. Never cached: the next trim replaces it."""
        return await self._threads.call(read_trim, self._store, job)


def read_trim(store: ObjectStore, job: WhisperJob) -> Trim | None:
    key = names.trim_key(job.metadata.namespace, job.uid)
    try:
        return Trim.model_validate_json(read_all(store, key, MAX_TRIM_BYTES))
    except ObjectNotFoundError:
        return None
    except (ValueError, ValidationError) as error:
        raise DamagedResultError(f"{key} is no trim: {error}") from error
