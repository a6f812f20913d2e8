"""What a worker is told to do: its inputs, where its results go, its options and limits."""

from datetime import datetime, timedelta

from whisperjob.deciding.decision import Policy
from whisperjob.deciding.rules import run_limit
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model import names
from whisperjob.model.errors import ClaimRefusedError
from whisperjob.model.manifest import MAX_CHUNK_BYTES, MAX_MANIFEST_BYTES, Manifest
from whisperjob.model.phase import Stage
from whisperjob.model.protocol import Claim, DiarizeOptions, Input, OptimizeOptions, WorkLimits
from whisperjob.model.resource import WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.stores.port import ObjectStore, read_all


def build_claim(
    job: WhisperJob,
    worker: WorkerIdentity,
    store: ObjectStore,
    settings: EngineSettings,
    policy: Policy,
    now: datetime,
) -> Claim:
    """Blocks on the store. Raises ClaimRefusedError, StoreError."""
    lifetime = settings.grant_lifetime
    prefix = names.attempt_prefix(job.metadata.namespace, job.uid, worker.stage, worker.attempt)
    optimizes = worker.stage is Stage.OPTIMIZE
    return Claim(
        job_name=job.name,
        uid=job.uid,
        attempt=worker.attempt,
        inputs=(_source(job, store, lifetime),) if optimizes else _chunks(job, store, lifetime),
        results=store.grant_write(prefix, lifetime, MAX_CHUNK_BYTES),
        options=_optimize_options(job) if optimizes else _diarize_options(job, settings),
        limits=WorkLimits(
            max_duration_seconds=int(settings.max_duration.total_seconds()),
            max_scratch_bytes=settings.max_scratch_bytes,
            run_seconds=int(run_limit(job, policy).total_seconds()),
        ),
        expires_at=now + lifetime,
    )


def _source(job: WhisperJob, store: ObjectStore, lifetime: timedelta) -> Input:
    source = job.spec.source
    return Input(
        filename=source.filename,
        read=store.grant_read(source.key, lifetime),
        size_bytes=source.size_bytes,
        sha256=source.sha256,
    )


def _chunks(job: WhisperJob, store: ObjectStore, lifetime: timedelta) -> tuple[Input, ...]:
    """The diarizer hears what the recogniser hears: the optimised audio, never the upload."""
    output = job.status.output
    if output is None:
        raise ClaimRefusedError("the job has no audio yet")
    manifest = Manifest.model_validate_json(read_all(store, output.manifest_key, MAX_MANIFEST_BYTES))
    prefix = output.manifest_key.removesuffix(names.MANIFEST_NAME)
    return tuple(
        Input(
            filename=chunk.filename,
            read=store.grant_read(prefix + chunk.filename, lifetime),
            size_bytes=chunk.size_bytes,
            sha256=chunk.sha256,
            samples=chunk.samples,
        )
        for chunk in manifest.chunks
    )


def _optimize_options(job: WhisperJob) -> OptimizeOptions:
    spec = job.spec
    return OptimizeOptions(
        profile=spec.profile,
        max_chunk_seconds=spec.max_chunk_seconds,
        raw_format=spec.source.raw_format,
        sample_rate=spec.source.sample_rate,
        channels=spec.source.channels,
    )


def _diarize_options(job: WhisperJob, settings: EngineSettings) -> DiarizeOptions:
    asked = job.spec.diarization
    if asked is None:
        raise ClaimRefusedError("nobody asks for a diarization any more")
    return DiarizeOptions(
        model=settings.diarization_model,
        num_speakers=asked.num_speakers,
        min_speakers=asked.min_speakers,
        max_speakers=asked.max_speakers,
        allow_cpu=settings.diarization_allow_cpu,
    )
