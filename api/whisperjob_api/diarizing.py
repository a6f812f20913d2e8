"""What becomes of a request for a diarization: start one, point at the one that runs, or at the result that stands."""

from enum import StrEnum
from uuid import uuid4

from whisperjob.model.errors import RecordConflictError
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import DiarizationRequest, WhisperJob
from whisperjob.model.stages import active_stage
from whisperjob.records.port import JobRecords
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.schemas import DiarizeRequest

_TRIES = 5


class Standing(StrEnum):
    """How a request stands to what was asked before."""

    NEW = "new"
    RUNNING = "running"
    DONE = "done"
    IN_THE_WAY = "in_the_way"


def standing(job: WhisperJob, wanted: DiarizationRequest) -> Standing:
    """Pure. A failed diarization is worth another try, a finished one is not unless something else is asked."""
    asked, state = job.spec.diarization, job.status.diarization
    if asked is None:
        return Standing.NEW
    same = _numbers(asked) == _numbers(wanted)
    if active_stage(job) is Stage.DIARIZE:
        return Standing.RUNNING if same else Standing.IN_THE_WAY
    done = state is not None and state.phase is Phase.COMPLETED
    return Standing.DONE if done and same else Standing.NEW


def _numbers(request: DiarizationRequest) -> tuple[int | None, int | None, int | None]:
    return request.num_speakers, request.min_speakers, request.max_speakers


def to_request(body: DiarizeRequest) -> DiarizationRequest:
    """0 means: find out. Bounds around a number say nothing more: with and without them the same is asked."""
    number = body.num_speakers or None
    return DiarizationRequest(
        request_id=uuid4().hex,
        num_speakers=number,
        min_speakers=None if number else body.min_speakers or None,
        max_speakers=None if number else body.max_speakers or None,
    )


async def ensure_diarization(
    job: WhisperJob, wanted: DiarizationRequest, records: JobRecords, *, unavailable: str | None
) -> WhisperJob:
    """The job with a diarization of these numbers, running or done. `job` may be a little old; `unavailable` is the
    sentence to refuse a new one with, None where there is a diarizer.

    Raises RequestError `diarization_running` if one of other numbers runs, `diarization_unavailable`; RecordError.
    """
    for _ in range(_TRIES):
        match standing(job, wanted):
            case Standing.RUNNING | Standing.DONE:
                return job
            case Standing.IN_THE_WAY:
                raise RequestError(
                    HttpCode.DIARIZATION_RUNNING, "A diarization with other numbers is running; wait for it to end."
                )
            case Standing.NEW if unavailable is not None:
                raise RequestError(HttpCode.DIARIZATION_UNAVAILABLE, unavailable)
        try:
            spec = job.spec.model_copy(update={"diarization": wanted})
            return await records.patch_spec(job.name, spec, job.version)
        except RecordConflictError:
            job = await records.get(job.name)
    raise RequestError(HttpCode.UNAVAILABLE, "The job changes all the time; try again.", retry_after_seconds=1)
