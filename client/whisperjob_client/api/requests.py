"""Every request of the API as data: the clients only send it. Pure."""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from whisperjob_client.models import (
    Answer,
    Diarization,
    DiarizationStarted,
    Health,
    Job,
    JobPage,
    JobState,
    Stats,
    Trim,
)

T = TypeVar("T", bound=Answer)


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """`repeatable`: sending it twice does no harm, so that a broken connection may be tried again."""

    method: str
    path: str
    answer: type[T]
    params: dict[str, str] = field(default_factory=dict)
    json: dict[str, Any] | None = None
    repeatable: bool = True


def health() -> Request[Health]:
    return Request("GET", "/health", Health)


def stats() -> Request[Stats]:
    return Request("GET", "/stats", Stats)


def job(job_id: str) -> Request[Job]:
    return Request("GET", job_path(job_id), Job)


def jobs(status: JobState | None, limit: int, cursor: str | None) -> Request[JobPage]:
    params = {"status": status, "limit": str(limit), "cursor": cursor}
    return Request("GET", "/jobs", JobPage, {name: value for name, value in params.items() if value is not None})


def trim(job_id: str, max_seconds: float) -> Request[Trim]:
    return Request("POST", "/demo_trim", Trim, json={"jobId": job_id, "maxSeconds": max_seconds})


def diarize(
    job_id: str, num_speakers: int | None = None, min_speakers: int | None = None, max_speakers: int | None = None
) -> Request[DiarizationStarted]:
    """Asking again with the same numbers is answered with the running one, so it may be repeated."""
    numbers = {"numSpeakers": num_speakers, "minSpeakers": min_speakers, "maxSpeakers": max_speakers}
    body = {"jobId": job_id} | {name: value for name, value in numbers.items() if value is not None}
    return Request("POST", "/diarize", DiarizationStarted, json=body)


def diarization(job_id: str) -> Request[Diarization]:
    return Request("GET", f"/diarize/{quote(job_id, safe='')}", Diarization)


def job_path(job_id: str) -> str:
    return f"/job/{quote(job_id, safe='')}"


def download_path(job_id: str, filename: str) -> str:
    return f"{job_path(job_id)}/download/{quote(filename, safe='')}"
