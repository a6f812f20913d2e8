"""Records and manifests as the API shows them. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NotRequired, TypedDict
from urllib.parse import quote

from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import ChunkEntry, Manifest, TrackEntry, Trim, TrimEntry
from whisperjob.model.phase import ConditionType, Phase, Reason, Step
from whisperjob.model.resource import Status, WhisperJob
from whisperjob.model.stages import retry_is_due
from whisperjob_api.schemas import Accepted, Chunk, JobState, JobSummary, JobView, NotTrimmed, Track, Trimmed

BYTES_PER_MB = 1_048_576

JOB_STATES: dict[Phase, JobState] = {
    Phase.QUEUED: "queued",
    Phase.PROCESSING: "processing",
    Phase.COMPLETED: "completed",
    Phase.ERROR: "error",
}


def to_megabytes(size_bytes: int) -> float:
    """Converts to units of 1,048,576 bytes, with one decimal."""
    return round(size_bytes / BYTES_PER_MB, 1)


def format_timestamp(moment: datetime) -> str:
    """Formats a moment as ISO 8601 in UTC with milliseconds, as JavaScript does."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_status_url(name: str) -> str:
    """Returns the path of a job."""
    return f"/job/{quote(name)}"


def format_download_url(name: str, filename: str) -> str:
    """Returns the path of one file of a job."""
    return f"{format_status_url(name)}/download/{quote(filename)}"


def to_accepted(job: WhisperJob) -> Accepted:
    """Converts the job of an accepted upload."""
    return Accepted(job_id=job.name, status=JOB_STATES[job.status.phase], status_url=format_status_url(job.name))


class _SummaryFields(TypedDict):
    """The fields of a `JobSummary`; a job's state decides which of those that are not required it has."""

    job_id: str
    status: JobState
    step: NotRequired[Step]
    progress: NotRequired[int]
    waiting_for: NotRequired[str]
    original_filename: str
    original_size_mb: float
    duration: float | None
    created_at: str
    warnings: list[str]
    error: NotRequired[str]
    error_code: NotRequired[JobCode]
    output_size_mb: NotRequired[float]
    total_chunks: NotRequired[int]


def to_job_summary(job: WhisperJob) -> JobSummary:
    """Converts a job without its chunks. Only the fields that its state has are set."""
    return JobSummary(**_summarize(job))


def to_job_view(job: WhisperJob, manifest: Manifest | None = None) -> JobView:
    """Converts a job. `manifest` is needed for a completed job and for no other."""
    if manifest is None:
        return JobView(**_summarize(job))
    return JobView(
        **_summarize(job), chunks=to_chunks(job.name, manifest.chunks), tracks=[_to_track(t) for t in manifest.tracks]
    )


def _to_track(track: TrackEntry) -> Track:
    return Track(**track.model_dump())


def to_json(view: JobView) -> bytes:
    """Serializes the fields that are set, under their names in the API."""
    return view.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _summarize(job: WhisperJob) -> _SummaryFields:
    """Collects the fields that the job's state has; the others are left out of the JSON."""
    status, source = _shown_status(job), job.spec.source
    fields: _SummaryFields = {
        "job_id": job.name,
        "status": JOB_STATES[status.phase],
        "original_filename": source.filename,
        "original_size_mb": to_megabytes(source.size_bytes),
        "duration": status.duration_seconds,
        "created_at": format_timestamp(job.metadata.creation_timestamp),
        "warnings": list(status.warnings),
    }
    if status.phase is not Phase.ERROR:
        fields["step"] = status.step
        fields["progress"] = status.progress
        if awaited := find_awaited(status):
            fields["waiting_for"] = awaited
    if status.error is not None:
        fields["error"] = status.error.message
        fields["error_code"] = status.error.code
    if status.output is not None:
        fields["output_size_mb"] = to_megabytes(status.output.size_bytes)
        fields["total_chunks"] = status.output.total_chunks
    return fields


def find_awaited(status: Status) -> str:
    """Returns why no worker runs for a stage that has work to do, for example in the scheduler's own sentence.

    Empty where that is not known.
    """
    scheduled = status.condition(ConditionType.SCHEDULED)
    if scheduled is None or scheduled.status == "True" or scheduled.reason == Reason.RETRYING:
        return ""  # nothing is known yet, a worker runs, or a worker failed and the next one follows in a moment
    return scheduled.message


def _shown_status(job: WhisperJob) -> Status:
    """Returns the status. A job that is to run again is shown as queued, which the engine records a moment later."""
    if not retry_is_due(job):
        return job.status
    return job.status.model_copy(
        update={"phase": Phase.QUEUED, "step": Step.UPLOADED, "progress": 0, "error": None, "conditions": ()}
    )


def to_chunks(name: str, entries: Sequence[ChunkEntry] | Sequence[TrimEntry]) -> list[Chunk]:
    """Converts the files of a manifest or a trim of the job `name`."""
    return [_to_chunk(name, entry) for entry in entries]


def _to_chunk(name: str, entry: ChunkEntry | TrimEntry) -> Chunk:
    chunk = Chunk(
        index=entry.index,
        filename=entry.filename,
        size_mb=to_megabytes(entry.size_bytes),
        download_url=format_download_url(name, entry.filename),
        start_seconds=entry.start_seconds,
        duration_seconds=entry.duration_seconds,
        sha256=entry.sha256,
    )
    optional: dict[str, object] = {}
    if isinstance(entry, ChunkEntry) and entry.silent:
        optional["silent"] = True
    if entry.channel is not None:
        optional["channel"] = entry.channel
    return chunk.model_copy(update=optional)


def to_trimmed(name: str, trim: Trim, max_seconds: float) -> Trimmed:
    """Converts a trim. `max_seconds` is the caller's own value: a whole number stays one."""
    return Trimmed(
        job_id=name,
        max_seconds=max_seconds,
        original_duration=trim.original_seconds,
        output_size_mb=to_megabytes(sum(file.size_bytes for file in trim.files)),
        total_chunks=len(trim.files),
        chunks=to_chunks(name, trim.files),
    )


def to_not_trimmed(name: str, manifest: Manifest) -> NotTrimmed:
    """Converts the manifest of a job that is already within the limit."""
    return NotTrimmed(
        job_id=name,
        duration=manifest.duration_seconds,
        total_chunks=len(manifest.chunks),
        chunks=to_chunks(name, manifest.chunks),
    )
