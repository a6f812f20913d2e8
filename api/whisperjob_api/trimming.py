"""Trims a job's audio to its first seconds: a pure plan over the manifest, then a byte copy of at most one file, or of
one of each channel.

Whole chunks are not copied; the trim points to them. Only the last file is cut, at a frame boundary, and gets an Info
frame that makes gapless players stop at the exact sample (model/mp3.py).
"""

import hashlib
import io
from dataclasses import dataclass

from whisperjob.model import names
from whisperjob.model.errors import StoreFullError
from whisperjob.model.manifest import SAMPLE_RATE, ChunkEntry, Manifest, Trim, TrimEntry, seconds
from whisperjob.model.mp3 import Mp3Error, cut, plan_cut
from whisperjob.model.resource import Output, WhisperJob
from whisperjob.stores.port import ObjectStore
from whisperjob_api.job_results import DamagedResultError, read_trim

HEAD_BYTES = 4096
"""Enough for the Info frame (288 bytes) and a small tag before it."""


@dataclass(frozen=True, slots=True)
class TrimPart:
    """One file of the trim: `samples` of a chunk, from its beginning."""

    chunk: ChunkEntry
    samples: int

    @property
    def whole(self) -> bool:
        """It is True if the part is the whole chunk."""
        return self.samples == self.chunk.samples


def plan_trim(manifest: Manifest, max_seconds: float) -> tuple[TrimPart, ...] | None:
    """Returns the files of a trim, or None if the audio is within the limit already. A trim has at least one sample."""
    if max_seconds >= manifest.duration_seconds:
        return None
    samples = max(1, round(max_seconds * SAMPLE_RATE))
    if samples >= manifest.samples:
        return None
    return tuple(
        TrimPart(chunk, min(chunk.samples, samples - chunk.start_sample))
        for chunk in manifest.chunks
        if chunk.start_sample < samples
    )


def chunk_prefix(manifest_key: str) -> str:
    """Returns the prefix of a manifest's files, which are stored beside it."""
    return manifest_key.removesuffix(names.MANIFEST_NAME)


def apply_trim(
    store: ObjectStore,
    job: WhisperJob,
    output: Output,
    manifest: Manifest,
    parts: tuple[TrimPart, ...],
    max_seconds: float,
) -> Trim:
    """Writes the cut file, then the pointer to the trim; then deletes the cut file of the previous trim.

    Raises StoreError; the previous trim is still valid then. Trims of one job must not run at the same time in one
    process. Between processes the last pointer wins, and a replaced file may stay until the job is deleted.
    """
    previous = read_trim(store, job)
    prefix = names.new_trim_prefix(job.metadata.namespace, job.uid)
    source = chunk_prefix(output.manifest_key)
    try:
        files = tuple(_write_part(store, prefix, source, part, index, len(parts)) for index, part in enumerate(parts))
    except BaseException:
        store.delete_prefix(prefix)
        raise
    trim = Trim(max_seconds=max_seconds, original_seconds=manifest.duration_seconds, files=files)
    pointer = io.BytesIO(trim.model_dump_json(by_alias=True).encode())
    try:
        store.put(names.trim_key(job.metadata.namespace, job.uid), pointer)
    except StoreFullError:  # after another error it may have been stored nevertheless
        store.delete_prefix(prefix)
        raise
    for file in previous.files if previous else ():
        if not file.key.startswith(source):
            store.delete(file.key)
    return trim


def _write_part(store: ObjectStore, prefix: str, source: str, part: TrimPart, index: int, total: int) -> TrimEntry:
    """Returns the entry of a file of the trim, after cutting the chunk if not all of it is wanted."""
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
        channel=chunk.channel,
    )


def _cut_chunk(store: ObjectStore, key: str, samples: int) -> bytes:
    """Returns the first samples of a stored chunk as an MP3. Raises DamagedResultError, StoreError."""
    try:
        head = b"".join(store.read(key, 0, HEAD_BYTES))
        data = bytearray()  # grows in place: a chunk is 20 MiB, one copy of it is enough
        for piece in store.read(key, 0, plan_cut(head, samples).end_offset):
            data += piece
        return cut(data, samples)
    except Mp3Error as error:
        raise DamagedResultError(f"{key} cannot be cut: {error}") from error
