"""What a job left in the store: its manifest, its timeline and the pointer to its latest trim."""

import hashlib
from typing import Final, TypeVar

from cachetools import LRUCache
from pydantic import BaseModel, ValidationError

from whisperjob.model import names
from whisperjob.model.errors import ObjectNotFoundError, StoreError
from whisperjob.model.manifest import MAX_MANIFEST_BYTES, MAX_TIMELINE_BYTES, Manifest, Trim
from whisperjob.model.resource import DiarizationState, Output, WhisperJob
from whisperjob.model.timeline import Timeline
from whisperjob.stores.port import ObjectStore, read_all
from whisperjob_api import views
from whisperjob_api.thread_pools import ThreadPools

M = TypeVar("M", bound=BaseModel)

CACHED_TIMELINES: Final = 32
"""The timeline of an hour is some 100 kB."""

CACHED_VIEWS: Final = 1024
"""The JSON of a completed job is 300 bytes, and as much for each chunk."""

CACHED_MANIFESTS: Final = 256
"""A manifest of 24 h of audio has some 40 chunks: 256 of them are a few MB."""

MAX_TRIM_BYTES: Final = 1024 * 1024


class DamagedResultError(StoreError):
    """The store has something other than what was written."""


class JobResults:
    """Reads and caches what completed jobs left in the store.

    Manifests and timelines never change, so each is read once and cached by its hash. The JSON of a completed job is
    cached by the version of its record. Belongs to the event loop.
    """

    def __init__(self, store: ObjectStore, threads: ThreadPools) -> None:
        self._store = store
        self._threads = threads
        self._manifests: LRUCache[str, Manifest] = LRUCache(CACHED_MANIFESTS)
        self._timelines: LRUCache[str, Timeline] = LRUCache(CACHED_TIMELINES)
        self._views: LRUCache[tuple[str, str], bytes] = LRUCache(CACHED_VIEWS)

    async def manifest(self, output: Output) -> Manifest:
        """Returns the manifest of an output. Raises ObjectNotFoundError, DamagedResultError, StoreUnavailableError."""
        cached = self._manifests.get(output.manifest_sha256)
        if cached is not None:
            return cached
        manifest = await self._threads.run(
            self._read, Manifest, output.manifest_key, output.manifest_sha256, MAX_MANIFEST_BYTES
        )
        self._manifests[output.manifest_sha256] = manifest
        return manifest

    async def view(self, job: WhisperJob) -> bytes:
        """Returns the job as JSON. Raises what `manifest` raises.

        A completed job is polled more often than it changes, so its JSON is made once for each version of its record.
        """
        output = job.status.output
        if output is None:
            return views.to_json(views.to_job_view(job))
        cached = self._views.get((job.uid, job.version))
        if cached is not None:
            return cached
        view = views.to_json(views.to_job_view(job, await self.manifest(output)))
        self._views[job.uid, job.version] = view
        return view

    async def timeline(self, state: DiarizationState) -> Timeline:
        """Returns the timeline of a completed diarization. Raises what `manifest` raises."""
        if state.result_key is None or state.result_sha256 is None:
            raise DamagedResultError("a diarization without a result")
        cached = self._timelines.get(state.result_sha256)
        if cached is not None:
            return cached
        timeline = await self._threads.run(
            self._read, Timeline, state.result_key, state.result_sha256, MAX_TIMELINE_BYTES
        )
        self._timelines[state.result_sha256] = timeline
        return timeline

    def _read(self, model: type[M], key: str, sha256: str, max_bytes: int) -> M:
        try:
            data = read_all(self._store, key, max_bytes)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise DamagedResultError(f"{key} has changed since the engine read it")
            return model.model_validate_json(data)
        except (ValueError, ValidationError) as error:
            raise DamagedResultError(f"{key} is no {model.__name__}: {error}") from error

    async def trim(self, job: WhisperJob) -> Trim | None:
        """Returns the latest trim, or None if there is none. It is never cached, because the next trim replaces it."""
        return await self._threads.run(read_trim, self._store, job)


def read_trim(store: ObjectStore, job: WhisperJob) -> Trim | None:
    """Reads the pointer to the latest trim; returns None if there is none. Raises StoreError."""
    key = names.trim_key(job.metadata.namespace, job.uid)
    try:
        return Trim.model_validate_json(read_all(store, key, MAX_TRIM_BYTES))
    except ObjectNotFoundError:
        return None
    except (ValueError, ValidationError) as error:
        raise DamagedResultError(f"{key} is no trim: {error}") from error
