"""Completed jobs with real MP3s: encoded by ffmpeg, stored with a real manifest, and present in the records."""

import hashlib
import io
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from support.builders import a_call_manifest, a_manifest
from whisperjob.model import names
from whisperjob.model.manifest import Manifest
from whisperjob.model.phase import Phase, Stage, Step
from whisperjob.model.resource import Output, Source, Spec, Status, WhisperJob
from whisperjob.records.port import JobRecords
from whisperjob.stores.port import ObjectStore

RATE = 16_000


@cache
def mp3_of(samples: int, frequency: int = 440) -> bytes:
    """Encodes a sweep of exactly so many samples at 16 kHz, mono, 64 kbps, as the worker would."""
    wave = f"aevalsrc='0.4*sin(2*PI*({frequency}*t+3*t*t))':s={RATE}:n=1024,atrim=end_sample={samples}"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", wave, "-ac", "1", "-c:a", "libmp3lame"]
    command += ["-b:a", "64k", "-id3v2_version", "0", "-write_id3v1", "0"]
    with tempfile.TemporaryDirectory() as folder:  # ffmpeg writes the Info frame last: it must be able to seek
        target = Path(folder) / "out.mp3"
        subprocess.run([*command, str(target)], check=True, timeout=60)
        return target.read_bytes()


def decoded(mp3: bytes) -> bytes:
    """Returns the samples of a gapless decoder, two bytes each."""
    with tempfile.NamedTemporaryFile(suffix=".mp3") as file:  # from a pipe, ffmpeg leaves the padding at the end
        file.write(mp3)
        file.flush()
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", file.name, "-f", "s16le", "-"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert not done.stderr, done.stderr
    return done.stdout


def manifest_for(chunks: list[tuple[bytes, int]], *, multichannel: bool = False) -> Manifest:
    """Builds the manifest of these chunks, (MP3, samples) each; of two channels, with half of the chunks each."""
    build = a_call_manifest if multichannel else a_manifest
    manifest = build(tuple(samples for _, samples in chunks))
    entries = tuple(
        entry.model_copy(update={"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
        for entry, (data, _) in zip(manifest.chunks, chunks, strict=True)
    )
    return manifest.model_copy(update={"chunks": entries})


async def complete(
    records: JobRecords, store: ObjectStore, job: WhisperJob, chunks: list[tuple[bytes, int]]
) -> WhisperJob:
    """Completes a job as a worker and the engine do."""
    manifest = manifest_for(chunks, multichannel=job.spec.multichannel)
    prefix = names.attempt_prefix(job.metadata.namespace, job.uid, Stage.OPTIMIZE, 1)
    for entry, (data, _) in zip(manifest.chunks, chunks, strict=True):
        store.put(prefix + entry.filename, io.BytesIO(data))
    text = manifest.model_dump_json(by_alias=True).encode()
    store.put(prefix + names.MANIFEST_NAME, io.BytesIO(text))
    output = Output(
        manifest_key=prefix + names.MANIFEST_NAME,
        manifest_sha256=hashlib.sha256(text).hexdigest(),
        total_chunks=len(chunks),
        size_bytes=manifest.size_bytes,
    )
    status = Status(
        phase=Phase.COMPLETED,
        step=Step.DONE,
        progress=100,
        attempt=1,
        completion_time=job.metadata.creation_timestamp,
        duration_seconds=manifest.duration_seconds,
        output=output,
    )
    return await records.patch_status(job.name, status, job.version)


async def completed_job(
    records: JobRecords,
    store: ObjectStore,
    *chunk_samples: int,
    name: str | None = None,
    tenant: str = "alice",
    filename: str = "talk.mp4",
    multichannel: bool = False,
) -> WhisperJob:
    """Creates a completed job with one chunk for each number of samples."""
    name = name or names.new_job_name()
    key = names.new_upload_key(records.namespace, name)
    spec = Spec(
        source=Source(key=key, filename=filename, size_bytes=47_400_000), tenant=tenant, multichannel=multichannel
    )
    job = await records.create(name, spec)
    chunks = [(mp3_of(samples, 440 + 60 * index), samples) for index, samples in enumerate(chunk_samples)]
    return await complete(records, store, job, chunks)
