"""Diarizations as the API shows them. Pure."""

from collections import defaultdict
from typing import Final, TypedDict

from whisperjob.model.resource import DiarizationState, WhisperJob
from whisperjob.model.timeline import Timeline, Turn
from whisperjob_api.schemas import DiarizationResult, DiarizationView, SpeakerSegment, SpeakerTotal
from whisperjob_api.views import find_awaited, format_timestamp

RTTM_MEDIA_TYPE: Final = "text/plain"


class _WaitingFields(TypedDict, total=False):
    """The field of a `DiarizationView` that is left out where no reason to wait is known."""

    waiting_for: str


def find_current_state(job: WhisperJob) -> DiarizationState | None:
    """Returns the state of the latest request, or None while the engine has not taken it up."""
    request, state = job.spec.diarization, job.status.diarization
    return state if request and state and state.request_id == request.request_id else None


def to_diarization_view(job: WhisperJob, timeline: Timeline | None) -> DiarizationView:
    """Converts a job's diarization. Only the fields that its state has are set.

    `timeline` is needed for a completed diarization and for no other.
    """
    state = find_current_state(job)
    began = (state.start_time or state.request_time) if state is not None else None
    started_at = format_timestamp(began) if began else None
    if timeline is not None:
        result = to_result(timeline)
        return DiarizationView(job_id=job.name, status="completed", started_at=started_at, result=result, error=None)
    if state is not None and state.error is not None:
        return DiarizationView(
            job_id=job.name,
            status="error",
            started_at=started_at,
            result=None,
            error=f"Diarization failed: {state.error.message}",
            error_code=state.error.code,
        )
    return DiarizationView(
        job_id=job.name,
        status="running",
        started_at=started_at,
        progress=state.progress if state else 0,
        **_explain_waiting(job, state),
        result=None,
        error=None,
    )


def _explain_waiting(job: WhisperJob, state: DiarizationState | None) -> _WaitingFields:
    awaited = find_awaited(job.status) if state else ""
    return {"waiting_for": awaited} if awaited else {}


def to_result(timeline: Timeline) -> DiarizationResult:
    """Converts a timeline to the `result` of GET /diarize."""
    return DiarizationResult(
        segments=[_to_segment(turn) for turn in timeline.segments],
        exclusive=[_to_segment(turn) for turn in timeline.exclusive],
        speakers=_sum_by_speaker(timeline),
        num_speakers=len(timeline.speakers),
        total_segments=len(timeline.segments),
        model=timeline.model,
        device=timeline.device,
        notes=list(timeline.notes),
    )


def _to_segment(turn: Turn) -> SpeakerSegment:
    return SpeakerSegment(start=turn.start, end=turn.end, speaker=turn.speaker)


def _sum_by_speaker(timeline: Timeline) -> list[SpeakerTotal]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for turn in timeline.segments:
        seconds[turn.speaker] += turn.end - turn.start
    return [SpeakerTotal(id=speaker, total_seconds=round(seconds[speaker], 3)) for speaker in timeline.speakers]
