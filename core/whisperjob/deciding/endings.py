"""How a stage ends, as decisions: the status it leaves and what is told of it."""

from whisperjob.deciding.decision import Decision, Diarized, Event, Finished
from whisperjob.deciding.view import View
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import ConditionType, Phase, Reason, Stage, Step
from whisperjob.model.resource import JobFailure, Output


def completed(view: View, result: Finished | Diarized) -> Decision:
    if isinstance(result, Diarized):
        return _diarized(view, result)
    manifest = result.manifest
    message = f"{len(manifest.chunks)} chunk(s), {manifest.duration_seconds:.1f} s of audio"
    conditions = view.condition(ConditionType.OPTIMIZED, True, Reason.SUCCEEDED, message)
    conditions = view.condition(ConditionType.COMPLETE, True, Reason.SUCCEEDED, among=conditions)
    output = Output(
        manifest_key=result.key,
        manifest_sha256=result.sha256,
        total_chunks=len(manifest.chunks),
        size_bytes=manifest.size_bytes,
    )
    return _end(
        view,
        Event(Reason.SUCCEEDED, message),
        phase=Phase.COMPLETED,
        step=Step.DONE,
        progress=100,
        duration_seconds=manifest.duration_seconds,
        warnings=manifest.warnings,
        output=output,
        conditions=conditions,
    )


def _diarized(view: View, result: Diarized) -> Decision:
    timeline = result.timeline
    message = f"{len(timeline.speakers)} speaker(s), {len(timeline.segments)} segment(s)"
    told = ". ".join((message, *(note.rstrip(".") for note in timeline.notes)))
    return _end(
        view,
        Event(Reason.DIARIZED, message),
        phase=Phase.COMPLETED,
        progress=100,
        num_speakers=len(timeline.speakers),
        total_segments=len(timeline.segments),
        result_key=result.key,
        result_sha256=result.sha256,
        model=timeline.model,
        device=timeline.device,
        conditions=view.condition(ConditionType.DIARIZED, True, Reason.SUCCEEDED, told),
    )


def failed(view: View, code: JobCode, reason: Reason, message: str, **changes: object) -> Decision:
    if view.stage is Stage.DIARIZE:
        conditions = view.condition(ConditionType.DIARIZED, False, reason, message)
    else:
        conditions = view.condition(ConditionType.FAILED, True, reason, message)
    error = JobFailure(code=code, message=message)
    event = Event(reason, message, warning=True)
    return _end(view, event, phase=Phase.ERROR, error=error, conditions=conditions, **changes)


def _end(view: View, event: Event, **changes: object) -> Decision:
    status = view.changed(**changes, completion_time=view.now, next_attempt_time=None)
    return Decision(status=status, stop=view.stops(), events=(event,))
