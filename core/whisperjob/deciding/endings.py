"""How a stage ends, as decisions: the status it leaves, and the event that is recorded."""

from dataclasses import dataclass, replace

from whisperjob.deciding.decision import Decision, Diarized, Event, Finished
from whisperjob.deciding.view import View
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import Phase, Reason
from whisperjob.model.resource import Condition, JobFailure, Output
from whisperjob.model.stages import DiarizeOutcome, OptimizeOutcome, Outcome, StageState


@dataclass(frozen=True, slots=True)
class _Summary:
    """What the status stores of a result, and the sentence about it; `notes` are sentences for its owner alone."""

    outcome: Outcome
    message: str
    notes: tuple[str, ...] = ()


def completed(view: View, result: Finished | Diarized) -> Decision:
    """Builds the decision that completes the stage."""
    summary = _summarize(result)
    first, *others = view.definition.success
    detail = ". ".join((summary.message, *(note.rstrip(".") for note in summary.notes)))
    conditions = view.conditions_with(first, True, Reason.SUCCEEDED, detail)
    for kind in others:
        conditions = view.conditions_with(kind, True, Reason.SUCCEEDED, among=conditions)
    state = replace(
        view.state,
        phase=Phase.COMPLETED,
        step=view.definition.last_step or view.state.step,
        progress=100,
        outcome=summary.outcome,
    )
    return _end(view, state, conditions, Event(view.definition.success_reason, summary.message))


def _summarize(result: Finished | Diarized) -> _Summary:
    match result:
        case Finished(manifest, key, sha256):
            output = Output(
                manifest_key=key,
                manifest_sha256=sha256,
                total_chunks=len(manifest.chunks),
                size_bytes=manifest.size_bytes,
            )
            return _Summary(
                OptimizeOutcome(output, manifest.duration_seconds, manifest.warnings),
                f"{len(manifest.chunks)} chunk(s), {manifest.duration_seconds:.1f} s of audio",
            )
        case Diarized(timeline, key, sha256):
            return _Summary(
                DiarizeOutcome(
                    num_speakers=len(timeline.speakers),
                    total_segments=len(timeline.segments),
                    result_key=key,
                    result_sha256=sha256,
                    model=timeline.model,
                    device=timeline.device,
                ),
                f"{len(timeline.speakers)} speaker(s), {len(timeline.segments)} segment(s)",
                timeline.notes,
            )


def failed(view: View, code: JobCode, reason: Reason, message: str, *, failure_count: int | None = None) -> Decision:
    """Builds the decision that ends the stage in error. `failure_count` is given where the failure was counted."""
    kind, holds = view.definition.failure
    state = replace(
        view.state,
        phase=Phase.ERROR,
        error=JobFailure(code=code, message=message),
        failure_count=view.state.failure_count if failure_count is None else failure_count,
    )
    conditions = view.conditions_with(kind, holds, reason, message)
    return _end(view, state, conditions, Event(reason, message, warning=True))


def _end(view: View, state: StageState, conditions: tuple[Condition, ...], event: Event) -> Decision:
    ended = replace(state, completion_time=view.now, next_attempt_time=None)
    return Decision(status=view.status_with(ended, conditions), stop=view.stops(), events=(event,))
