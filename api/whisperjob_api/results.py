"""What a job left in the store, read back: its manifest, and the pointer to its latest trim."""

import hashlib
from typing import Final

from pydantic import ValidationError

from whisperjob.model import names
from whisperjob.model.errors import ObjectNotFoundError, StoreError
from whisperjob.model.manifest import MAX_MANIFEST_BYTES, Manifest, Trim
from whisperjob.model.resource import Output, WhisperJob
from whisperjob.stores.port import ObjectStore, read_all
from whisperjob_api import views
from whisperjob_api.recent import Recent
from whisperjob_api.threads import Threads

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
        self._views: Recent[tuple[str, str], bytes] = Recent(CACHED_VIEWS)

    async def manifest(self, output: Output) -> Manifest:
        """Raises ObjectNotFoundError, DamagedResultError, StoreUnavailableError."""
        known = self._manifests.get(output.manifest_sha256)
        if known is None:
            known = await self._threads.call(self._read_manifest, output)
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

    def _read_manifest(self, output: Output) -> Manifest:
        try:
            data = read_all(self._store, output.manifest_key, MAX_MANIFEST_BYTES)
            if hashlib.sha256(data).hexdigest() != output.manifest_sha256:
                raise DamagedResultError(f"{output.manifest_key} is not the manifest the engine saw")
            return Manifest.model_validate_json(data)
        except (ValueError, ValidationError) as error:
            raise DamagedResultError(f"{output.manifest_key} is no manifest: {error}") from error

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
