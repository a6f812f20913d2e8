"""Records and manifests as the API shows them. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from whisperjob.model.manifest import ChunkEntry, Manifest, Trim, TrimEntry
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob_api.schemas import Accepted, Chunk, JobState, JobSummary, JobView, NotTrimmed, Trimmed

BYTES_PER_MB = 1_048_576

JOB_STATES: dict[Phase, JobState] = {
    Phase.QUEUED: "queued",
    Phase.PROCESSING: "processing",
    Phase.COMPLETED: "completed",
    Phase.ERROR: "error",
}


def megabytes(size_bytes: int) -> float:
    return round(size_bytes / BYTES_PER_MB, 1)


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, as JavaScript writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_url(name: str) -> str:
    return f"/job/{quote(name)}"


def download_url(name: str, filename: str) -> str:
    return f"{status_url(name)}/download/{quote(filename)}"


def accepted(job: WhisperJob) -> Accepted:
    return Accepted(job_id=job.name, status=JOB_STATES[job.status.phase], status_url=status_url(job.name))


def job_summary(job: WhisperJob) -> JobSummary:
    return JobSummary(**_summary_fields(job))


def job_view(job: WhisperJob, manifest: Manifest | None = None) -> JobView:
    """`manifest` is needed for a completed job and for no other."""
    fields = _summary_fields(job)
    if manifest is not None:
        fields["chunks"] = chunks(job.name, manifest.chunks)
    return JobView(**fields)


def to_json(view: JobView) -> bytes:
    """The fields its state has, under their names in the API."""
    return view.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _summary_fields(job: WhisperJob) -> dict[str, Any]:
    """Only the fields the job's state has; the others are left out of the JSON."""
    status, source = job.status, job.spec.source
    fields: dict[str, Any] = {"job_id": job.name, "status": JOB_STATES[status.phase]}
    if status.phase is not Phase.ERROR:
        fields |= {"step": status.step, "progress": status.progress}
    fields |= {
        "original_filename": source.filename,
        "original_size_mb": megabytes(source.size_bytes),
        "duration": status.duration_seconds,
        "created_at": timestamp(job.metadata.creation_timestamp),
        "warnings": list(status.warnings),
    }
    if status.error is not None:
        fields |= {"error": status.error.message, "error_code": status.error.code}
    if status.output is not None:
        fields |= {
            "output_size_mb": megabytes(status.output.size_bytes),
            "total_chunks": status.output.total_chunks,
        }
    return fields


def chunks(name: str, entries: Sequence[ChunkEntry] | Sequence[TrimEntry]) -> list[Chunk]:
    return [
        Chunk(
            index=entry.index,
            filename=entry.filename,
            size_mb=megabytes(entry.size_bytes),
            download_url=download_url(name, entry.filename),
            start_seconds=entry.start_seconds,
            duration_seconds=entry.duration_seconds,
            sha256=entry.sha256,
        )
        for entry in entries
    ]


def trimmed(name: str, trim: Trim, max_seconds: float) -> Trimmed:
    """`max_seconds` as the caller gave it: a whole number stays one."""
    return Trimmed(
        job_id=name,
        max_seconds=max_seconds,
        original_duration=trim.original_seconds,
        output_size_mb=megabytes(sum(file.size_bytes for file in trim.files)),
        total_chunks=len(trim.files),
        chunks=chunks(name, trim.files),
    )


def not_trimmed(name: str, manifest: Manifest) -> NotTrimmed:
    return NotTrimmed(
        job_id=name,
        duration=manifest.duration_seconds,
        total_chunks=len(manifest.chunks),
        chunks=chunks(name, manifest.chunks),
    )
