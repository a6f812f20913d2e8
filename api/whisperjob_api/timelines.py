"""Diarizations as the API shows them. Pure."""

from collections import defaultdict
from typing import Any, Final

from whisperjob.model.phase import ConditionType, Reason
from whisperjob.model.resource import DiarizationState, WhisperJob
from whisperjob.model.timeline import Timeline, Turn
from whisperjob_api.schemas import DiarizationResult, DiarizationView, SpeakerSegment, SpeakerTotal
from whisperjob_api.views import timestamp

RTTM_MEDIA_TYPE: Final = "text/plain"


def answered(job: WhisperJob) -> DiarizationState | None:
    """The state of what was asked last; None while the engine has not taken it up."""
    asked, state = job.spec.diarization, job.status.diarization
    return state if asked and state and state.request_id == asked.request_id else None


def diarization_view(job: WhisperJob, timeline: Timeline | None) -> DiarizationView:
    """`timeline` is needed for a completed one and for no other. Only the fields its state has are set."""
    state = answered(job)
    fields: dict[str, Any] = {"job_id": job.name, "status": "running", "started_at": None}
    if state is not None:
        began = state.start_time or state.request_time
        fields["started_at"] = timestamp(began) if began else None
    if timeline is not None:
        return DiarizationView(**fields | {"status": "completed", "result": to_result(timeline), "error": None})
    if state is not None and state.error is not None:
        error = {"error": f"Diarization failed: {state.error.message}", "error_code": state.error.code}
        return DiarizationView(**fields | {"status": "error", "result": None} | error)
    fields["progress"] = state.progress if state else 0
    if waiting := _waiting_for(job, state):
        fields["waiting_for"] = waiting
    return DiarizationView(**fields | {"result": None, "error": None})


def _waiting_for(job: WhisperJob, state: DiarizationState | None) -> str | None:
    """Why no worker runs yet, where somebody said so: the scheduler's own sentence, for one."""
    scheduled = job.status.condition(ConditionType.SCHEDULED)
    if state is None or scheduled is None or scheduled.status == "True" or scheduled.reason == Reason.RETRYING:
        return None  # nothing is known yet, it runs, or its worker failed and another will come in a moment
    return scheduled.message or None


def to_result(timeline: Timeline) -> DiarizationResult:
    return DiarizationResult(
        segments=[_segment(turn) for turn in timeline.segments],
        exclusive=[_segment(turn) for turn in timeline.exclusive],
        speakers=_totals(timeline),
        num_speakers=len(timeline.speakers),
        total_segments=len(timeline.segments),
        model=timeline.model,
        device=timeline.device,
        notes=list(timeline.notes),
    )


def _segment(turn: Turn) -> SpeakerSegment:
    return SpeakerSegment(start=turn.start, end=turn.end, speaker=turn.speaker)


def _totals(timeline: Timeline) -> list[SpeakerTotal]:
    seconds: defaultdict[str, float] = defaultdict(float)
    for turn in timeline.segments:
        seconds[turn.speaker] += turn.end - turn.start
    return [SpeakerTotal(id=speaker, total_seconds=round(seconds[speaker], 3)) for speaker in timeline.speakers]
