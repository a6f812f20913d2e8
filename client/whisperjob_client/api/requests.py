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
from whisperjob_client.options import SpeakerCount

T = TypeVar("T", bound=Answer)

UPLOAD_PATH = "/whisper_optimize"


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One request and the type of its answer.

    `repeatable` is True where sending it twice does no harm, so that it may be sent again when a connection breaks.
    """

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


def retry(job_id: str) -> Request[Job]:
    """It is repeatable: the service answers a second request with the job as the first one has left it."""
    return Request("POST", f"{job_path(job_id)}/retry", Job)


def jobs(status: JobState | None, limit: int, cursor: str | None) -> Request[JobPage]:
    params = {"status": status, "limit": str(limit), "cursor": cursor}
    return Request("GET", "/jobs", JobPage, {name: value for name, value in params.items() if value is not None})


def trim(job_id: str, max_seconds: float) -> Request[Trim]:
    return Request("POST", "/demo_trim", Trim, json={"jobId": job_id, "maxSeconds": max_seconds})


def diarize(job_id: str, speakers: SpeakerCount) -> Request[DiarizationStarted]:
    """It is repeatable: the service answers a second request for the same counts with the diarization that runs."""
    return Request("POST", "/diarize", DiarizationStarted, json={"jobId": job_id, **speakers.to_json()})


def diarization(job_id: str) -> Request[Diarization]:
    return Request("GET", diarization_path(job_id), Diarization)


def job_path(job_id: str) -> str:
    return f"/job/{quote(job_id, safe='')}"


def diarization_path(job_id: str) -> str:
    return f"/diarize/{quote(job_id, safe='')}"
