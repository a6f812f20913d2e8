"""The first seconds of a job's audio: a pure plan over the manifest, then a byte copy of one file at most.

Whole chunks are not copied, the trim points to them. Only the last file is cut, at a frame boundary, under an Info
frame that makes gapless players stop at the very sample (model/mp3.py).
"""

import hashlib
import io
from dataclasses import dataclass

from whisperjob.model import names
from whisperjob.model.manifest import SAMPLE_RATE, ChunkEntry, Manifest, Trim, TrimEntry, seconds
from whisperjob.model.mp3 import Mp3Error, cut, plan_cut
from whisperjob.model.resource import Output, WhisperJob
from whisperjob.stores.port import ObjectStore
from whisperjob_api.job_results import DamagedResultError, read_trim

HEAD_BYTES = 4096
"""Enough for the Info frame (288 bytes) and any small tag before it."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One file of the trim: `samples` of a chunk, from its beginning."""

    chunk: ChunkEntry
    samples: int

    @property
    def whole(self) -> bool:
        return self.samples == self.chunk.samples


def plan_trim(manifest: Manifest, max_seconds: float) -> tuple[Kept, ...] | None:
    """What is kept, None if the audio is within the limit already. At least one sample is kept."""
    if max_seconds >= manifest.duration_seconds:
        return None
    samples = max(1, round(max_seconds * SAMPLE_RATE))
    if samples >= manifest.samples:
        return None
    return tuple(
        Kept(chunk, min(chunk.samples, samples - chunk.start_sample))
        for chunk in manifest.chunks
        if chunk.start_sample < samples
    )


def chunk_prefix(manifest_key: str) -> str:
    """Where a manifest's files lie: beside it."""
    return manifest_key.removesuffix(names.MANIFEST_NAME)


def apply_trim(
    store: ObjectStore, job: WhisperJob, output: Output, manifest: Manifest, kept: tuple[Kept, ...], max_seconds: float
) -> Trim:
    """Writes the cut file, then the pointer, then removes what the pointer before it led to.

    Raises StoreError; then the trim before is still the one that holds. Trims of one job must not run side by side in
    one process; between processes the last pointer wins and a superseded file may stay until the job goes.
    """
    before = read_trim(store, job)
    prefix = names.new_trim_prefix(job.metadata.namespace, job.uid)
    source = chunk_prefix(output.manifest_key)
    try:
        files = tuple(_file(store, prefix, source, part, index, len(kept)) for index, part in enumerate(kept))
    except BaseException:
        store.delete_prefix(prefix)
        raise
    trim = Trim(max_seconds=max_seconds, original_seconds=manifest.duration_seconds, files=files)
    store.put(names.trim_key(job.metadata.namespace, job.uid), io.BytesIO(trim.model_dump_json(by_alias=True).encode()))
    for old in before.files if before else ():
        if not old.key.startswith(source):
            store.delete(old.key)
    return trim


def _file(store: ObjectStore, prefix: str, source: str, part: Kept, index: int, total: int) -> TrimEntry:
    filename = names.trimmed_name(index, total)
    chunk = part.chunk
    key, size_bytes, sha256 = source + chunk.filename, chunk.size_bytes, chunk.sha256
    if not part.whole:
        data = _cut_chunk(store, key, part.samples)
        key, size_bytes, sha256 = prefix + filename, len(data), hashlib.sha256(data).hexdigest()
        store.put(key, io.BytesIO(data), content_type="audio/mpeg")
    return TrimEntry(
        index=index,
        filename=filename,
        key=key,
        size_bytes=size_bytes,
        sha256=sha256,
        start_seconds=chunk.start_seconds,
        duration_seconds=seconds(part.samples),
    )


def _cut_chunk(store: ObjectStore, key: str, samples: int) -> bytes:
    try:
        head = b"".join(store.read(key, 0, HEAD_BYTES))
        data = bytearray()  # grows in place: a chunk is 20 MiB, one copy of it is enough
        for piece in store.read(key, 0, plan_cut(head, samples).end_offset):
            data += piece
        return cut(data, samples)
    except Mp3Error as error:
        raise DamagedResultError(f"{key} cannot be cut: {error}") from error
