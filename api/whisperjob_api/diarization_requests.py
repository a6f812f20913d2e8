"""Requests for a diarization: whether one starts a diarization, or is answered by an earlier one."""

from enum import Enum, auto
from uuid import uuid4

from whisperjob.model.errors import RecordConflictError
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import DiarizationRequest, WhisperJob
from whisperjob.model.stages import active_stage
from whisperjob.records.port import JobRecords
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.schemas import DiarizeRequest

_MAX_TRIES = 5


class RequestDecision(Enum):
    """What is to be done about a request, given the diarization that the job has."""

    START = auto()
    """There is none with these speaker counts, or it failed."""
    ALREADY_RUNNING = auto()
    ALREADY_COMPLETED = auto()
    CONFLICT = auto()
    """One with other speaker counts is running."""


def decide_request(job: WhisperJob, request: DiarizationRequest) -> RequestDecision:
    """Decides about a request. Pure. A failed diarization is repeated, a completed one only with other counts."""
    previous, state = job.spec.diarization, job.status.diarization
    if previous is None:
        return RequestDecision.START
    same_counts = previous.counts == request.counts
    if active_stage(job) is Stage.DIARIZE:
        return RequestDecision.ALREADY_RUNNING if same_counts else RequestDecision.CONFLICT
    completed = state is not None and state.phase is Phase.COMPLETED
    return RequestDecision.ALREADY_COMPLETED if completed and same_counts else RequestDecision.START


def to_request(body: DiarizeRequest) -> DiarizationRequest:
    """Converts the body of POST /diarize to a request with a new id.

    A count of 0 means "find out" and becomes None. Bounds around an exact number add nothing and are dropped, so that
    a request with them equals one without.
    """
    exactly = body.num_speakers or None
    return DiarizationRequest(
        request_id=uuid4().hex,
        num_speakers=exactly,
        min_speakers=None if exactly else body.min_speakers or None,
        max_speakers=None if exactly else body.max_speakers or None,
    )


async def ensure_diarization(
    job: WhisperJob, request: DiarizationRequest, records: JobRecords, *, unavailable: str | None
) -> WhisperJob:
    """Returns the job with a diarization of these speaker counts, running or completed.

    `job` may be slightly out of date. `unavailable` is the sentence that refuses a new diarization; None where there
    is a diarizer. Raises RequestError `diarization_running` if one with other counts runs, and
    `diarization_unavailable`; RecordError.
    """
    for _ in range(_MAX_TRIES):
        match decide_request(job, request):
            case RequestDecision.ALREADY_RUNNING | RequestDecision.ALREADY_COMPLETED:
                return job
            case RequestDecision.CONFLICT:
                raise RequestError(
                    HttpCode.DIARIZATION_RUNNING, "A diarization with other numbers is running; wait for it to end."
                )
            case RequestDecision.START if unavailable is not None:
                raise RequestError(HttpCode.DIARIZATION_UNAVAILABLE, unavailable)
        try:
            return await records.patch_spec(job.name, job.spec.with_diarization(request), job.version)
        except RecordConflictError:
            job = await records.get(job.name)
    raise RequestError(HttpCode.UNAVAILABLE, "The job changes all the time; try again.", retry_after_seconds=1)
