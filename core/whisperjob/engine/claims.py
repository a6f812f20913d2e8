"""Builds the answer to a worker's claim: its inputs, where its results go, its options and its limits."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from whisperjob.deciding.decision import Policy
from whisperjob.deciding.rules import run_limit
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model import names
from whisperjob.model.errors import AttemptOverError
from whisperjob.model.manifest import MAX_CHUNK_BYTES, MAX_MANIFEST_BYTES, Manifest
from whisperjob.model.phase import Stage
from whisperjob.model.protocol import Claim, DiarizeOptions, Input, OptimizeOptions, Options, WorkLimits
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
    """Builds the claim of one attempt. Blocks on the store. Raises AttemptOverError, StoreError."""
    prefix = names.attempt_prefix(job.metadata.namespace, job.uid, worker.stage, worker.attempt)
    return Claim(
        job_name=job.name,
        uid=job.uid,
        attempt=worker.attempt,
        inputs=_INPUTS[worker.stage](job, store, settings.grant_lifetime),
        results=store.grant_write(prefix, settings.grant_lifetime, MAX_CHUNK_BYTES),
        options=_OPTIONS[worker.stage](job, settings),
        limits=_limits(job, worker, settings, policy),
        expires_at=now + settings.grant_lifetime,
    )


def _limits(job: WhisperJob, worker: WorkerIdentity, settings: EngineSettings, policy: Policy) -> WorkLimits:
    share = worker.scratch
    return WorkLimits(
        max_duration_seconds=int(settings.max_duration.total_seconds()),
        max_scratch_bytes=min(settings.max_scratch_bytes, share.limit_bytes) if share else settings.max_scratch_bytes,
        scratch_bytes=share.bytes if share else None,
        run_seconds=int(run_limit(job, policy).total_seconds()),
    )


def _source(job: WhisperJob, store: ObjectStore, lifetime: timedelta) -> tuple[Input, ...]:
    source = job.spec.source
    return (
        Input(
            filename=source.filename,
            read=store.grant_read(source.key, lifetime),
            size_bytes=source.size_bytes,
            sha256=source.sha256,
        ),
    )


def _chunks(job: WhisperJob, store: ObjectStore, lifetime: timedelta) -> tuple[Input, ...]:
    """Returns the chunks of the optimised audio as inputs: what the speech recogniser hears, never the upload."""
    output = job.status.output
    if output is None:
        raise AttemptOverError("the job has no audio yet")
    manifest = Manifest.model_validate_json(read_all(store, output.manifest_key, MAX_MANIFEST_BYTES))
    if manifest.channel_activity is not None:
        raise AttemptOverError("the channels of the job are its speakers")
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


def _optimize_options(job: WhisperJob, _: EngineSettings) -> OptimizeOptions:
    audio = job.spec.audio_options
    return OptimizeOptions(
        profile=audio.profile,
        max_chunk_seconds=audio.max_chunk_seconds,
        track=audio.track,
        language=audio.language,
        multichannel=audio.multichannel,
        raw_format=audio.raw_format,
        sample_rate=audio.sample_rate,
        channels=audio.channels,
    )


def _diarize_options(job: WhisperJob, settings: EngineSettings) -> DiarizeOptions:
    request = job.spec.diarization
    if request is None:
        raise AttemptOverError("the request for a diarization was withdrawn")
    return DiarizeOptions(
        model=settings.diarization_model,
        allow_cpu=settings.diarization_allow_cpu,
        num_speakers=request.num_speakers,
        min_speakers=request.min_speakers,
        max_speakers=request.max_speakers,
    )


_INPUTS: Final[Mapping[Stage, Callable[[WhisperJob, ObjectStore, timedelta], tuple[Input, ...]]]] = {
    Stage.OPTIMIZE: _source,
    Stage.DIARIZE: _chunks,
}
"""What the worker of each stage reads."""

_OPTIONS: Final[Mapping[Stage, Callable[[WhisperJob, EngineSettings], Options]]] = {
    Stage.OPTIMIZE: _optimize_options,
    Stage.DIARIZE: _diarize_options,
}
"""What the worker of each stage is to do."""
