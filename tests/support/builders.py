"""Builders of records, workers and manifests for tests: everything has a sensible default, name what matters."""

from datetime import UTC, datetime, timedelta
from typing import Any

from whisperjob.deciding import rules
from whisperjob.deciding.view import current_worker
from whisperjob.model import names
from whisperjob.model.manifest import (
    ChannelActivity,
    ChannelTurn,
    ChunkEntry,
    CutKind,
    Loudness,
    Manifest,
    SourceInfo,
    ToolVersions,
    TrackEntry,
    TrackReason,
    seconds,
)
from whisperjob.model.phase import Phase, Profile, Stage
from whisperjob.model.resource import Metadata, Source, Spec, Status, WhisperJob
from whisperjob.model.stages import active_work
from whisperjob.model.timeline import Timeline, Turn
from whisperjob.model.workers import Worker, WorkerState

T0 = datetime(2026, 2, 12, 10, 0, tzinfo=UTC)
UID = "11111111-2222-4333-8444-555555555555"
SHA = "ab" * 32


def at(seconds_later: float) -> datetime:
    return T0 + timedelta(seconds=seconds_later)


def a_spec(**changes: Any) -> Spec:
    source = changes.pop("source", None) or Source(
        key="uploads/default/talk/0011223344556677", filename="talk.mp4", size_bytes=1000, sha256=SHA
    )
    return Spec(source=source, **changes)


def a_job(
    *,
    name: str = "talk",
    uid: str = UID,
    version: int = 7,
    created_at: datetime = T0,
    spec: Spec | None = None,
    **status: Any,
) -> WhisperJob:
    """A job whose status has the given fields; a terminal phase brings the end time it must have."""
    if status.get("phase") in (Phase.COMPLETED, Phase.ERROR):
        status.setdefault("completion_time", T0)
    metadata = Metadata(
        name=name, namespace="default", uid=uid, resource_version=str(version), creation_timestamp=created_at
    )
    return WhisperJob(metadata=metadata, spec=spec or a_spec(), status=Status(**status))


def a_worker(attempt: int = 1, state: WorkerState = WorkerState.RUNNING, **changes: Any) -> Worker:
    uid = changes.pop("job_uid", UID)
    fields: dict[str, Any] = {
        "name": names.worker_name(uid, Stage.OPTIMIZE, attempt),
        "job_name": "talk",
        "job_uid": uid,
        "stage": Stage.OPTIMIZE,
        "attempt": attempt,
        "state": state,
        "created_at": T0,
        "started_at": None if state is WorkerState.PENDING else T0,
    }
    return Worker(**{**fields, **changes})


def a_manifest(chunk_samples: tuple[int, ...] = (16_000,), size_bytes: int = 8000, **changes: Any) -> Manifest:
    start, chunks = 0, []
    for index, samples in enumerate(chunk_samples):
        chunks.append(
            ChunkEntry(
                index=index,
                filename=names.chunk_name(index, len(chunk_samples)),
                size_bytes=size_bytes,
                sha256=SHA,
                start_sample=start,
                samples=samples,
                start_seconds=seconds(start),
                duration_seconds=seconds(samples),
                cut=CutKind.END if index == len(chunk_samples) - 1 else CutKind.QUIET,
            )
        )
        start += samples
    fields: dict[str, Any] = {
        "profile": Profile.FULL,
        "samples": start,
        "duration_seconds": seconds(start),
        "source": SourceInfo(size_bytes=1000, sha256=SHA, container="mp4", codec="aac", sample_rate=48_000, channels=2),
        "tracks": (
            TrackEntry(index=0, codec="aac", channels=2, language="eng", default=True, used=True),
            TrackEntry(index=1, codec="unknown", channels=0, used=False, reason=TrackReason.UNDECODABLE),
        ),
        "chunks": tuple(chunks),
        "loudness_before": Loudness(integrated_lufs=-30.0),
        "loudness_after": Loudness(integrated_lufs=-16.0),
        "gain_db": 14.0,
        "tools": ToolVersions(whisperjob="0", ffmpeg="0"),
    }
    return Manifest(**{**fields, **changes})


def a_call_manifest(chunk_samples: tuple[int, ...] = (16_000, 16_000), **changes: Any) -> Manifest:
    """Two channels apart: the first half of the chunks is the first channel, the second half the other one."""
    half = len(chunk_samples) // 2
    one, two = (a_manifest(part) for part in (chunk_samples[:half], chunk_samples[half:]))
    apart = [(chunk, channel) for channel, manifest in enumerate((one, two)) for chunk in manifest.chunks]
    chunks = tuple(
        chunk.model_copy(
            update={"index": index, "filename": names.chunk_name(index, len(chunk_samples)), "channel": channel}
        )
        for index, (chunk, channel) in enumerate(apart)
    )
    first = ChannelTurn(start=0, end=0.5, channel=1)
    second = ChannelTurn(start=0.5, end=0.8, channel=0)
    overlapping = first.model_copy(update={"end": 0.6})
    activity = ChannelActivity(segments=(overlapping, second), exclusive=(first, second))
    fields = {name: getattr(one, name) for name in Manifest.model_fields}
    return Manifest(**{**fields, "chunks": chunks, "channel_activity": activity, **changes})


def a_timeline(
    turns: tuple[tuple[float, float, int], ...] = ((0, 2, 0), (2, 3.5, 1), (4, 5, 0)), **changes: Any
) -> Timeline:
    """Who speaks when as (start, end, speaker's number); no turns overlap."""
    segments = tuple(Turn(start=start, end=end, speaker=f"SPEAKER_{who:02d}") for start, end, who in turns)
    duration = max((turn.end for turn in segments), default=1.0)
    fields: dict[str, Any] = {
        "model": "test 1",
        "device": "cpu",
        "duration_seconds": duration,
        "segments": segments,
        "exclusive": segments,
    }
    return Timeline(**{**fields, **changes})


def needs_result(job: WhisperJob, workers: tuple[Worker, ...]) -> bool:
    """Whether a pass over this job reads the attempt's result; an idle job has none."""
    work = active_work(job)
    return work is not None and rules.needs_result(work, current_worker(work, workers))
