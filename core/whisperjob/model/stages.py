"""The stages of a job as one table, and one shape of state for all of them.

The status stores each stage in a place of its own (the first stage at the top, the others in an object each), because
that is the public shape of the resource. Decisions read and write the same `StageState` for every stage: it is
converted at the border, by `from_status` and `to_status`. What is particular to a stage is a row of `STAGES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypedDict

from whisperjob.model import names
from whisperjob.model.errors import RETRYABLE_CODES
from whisperjob.model.phase import AnyStep, ConditionType, DiarizeStep, Phase, Reason, Stage, Step
from whisperjob.model.resource import (
    Condition,
    DiarizationState,
    JobFailure,
    Output,
    Spec,
    StageStatus,
    Status,
    WhisperJob,
)


@dataclass(frozen=True, slots=True)
class OptimizeOutcome:
    """What the status stores of the optimizer's manifest, and what the worker reported before there was one."""

    output: Output | None = None
    duration_seconds: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def retained_prefix(self) -> str | None:
        """The objects below this prefix stay as long as the record."""
        return self.output.manifest_key.removesuffix(names.MANIFEST_NAME) if self.output else None


@dataclass(frozen=True, slots=True)
class DiarizeOutcome:
    """What the status stores of a timeline."""

    num_speakers: int | None = None
    total_segments: int | None = None
    result_key: str | None = None
    result_sha256: str | None = None
    model: str | None = None
    device: str | None = None

    @property
    def retained_prefix(self) -> str | None:
        """The objects below this prefix stay as long as the record."""
        return self.result_key


Outcome = OptimizeOutcome | DiarizeOutcome


@dataclass(frozen=True, slots=True)
class StageState:
    """How one stage of a job stands. `dataclasses.replace` makes the next state; mypy checks every field by that.

    `attempt` grows with every worker that was started. `failure_count` counts workers that failed,
    `machine_fault_count` those that met a fault of the machine; a restart of the engine is neither. `next_attempt_time`
    is set while a failure or a fault is waited out. `out_of_memory` is set once a worker ran out of memory.
    `request_id` names the request that the stage answers: for a stage that every job has, the latest to run it again.
    """

    phase: Phase = Phase.QUEUED
    step: AnyStep | None = None
    progress: int = 0
    attempt: int = 0
    failure_count: int = 0
    machine_fault_count: int = 0
    out_of_memory: bool = False
    next_attempt_time: datetime | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    error: JobFailure | None = None
    request_id: str | None = None
    request_time: datetime | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class JobState:
    """A status in the shape that decisions work with: stages that have begun, and what belongs to the whole job."""

    stages: Mapping[Stage, StageState]
    conditions: tuple[Condition, ...] = ()
    observed_generation: int | None = None

    def with_stage(self, stage: Stage, state: StageState) -> "JobState":
        """Returns the job's state with the state of one stage replaced."""
        return replace(self, stages={**self.stages, stage: state})


@dataclass(frozen=True, slots=True)
class StageDefinition:
    """What is particular to one stage.

    `first_step` is shown while a worker has reported nothing, `last_step` once the stage is completed (None: the step
    stays). `success` lists the conditions that become true at the end, the first of them with the message; `failure`
    is the condition that says that the stage failed, and the value it gets. `worker_noun` and `work_noun` name the
    worker and its work in sentences for people.
    """

    stage: Stage
    first_step: AnyStep
    last_step: AnyStep | None
    success: tuple[ConditionType, ...]
    success_reason: Reason
    failure: tuple[ConditionType, bool]
    worker_noun: str
    work_noun: str
    requested_id: Callable[[Spec], str | None] | None
    """Reads the id of the request from the spec; None for a stage that every job has."""

    @property
    def on_request(self) -> bool:
        """Whether the stage runs only when the spec requests it, and again when the spec has another request id."""
        return self.requested_id is not None

    def request_in(self, spec: Spec) -> str | None:
        """Returns the id of the request for this stage; None if there is none, or the stage needs none."""
        return self.requested_id(spec) if self.requested_id else None


def _diarization_id(spec: Spec) -> str | None:
    return spec.diarization.request_id if spec.diarization else None


STAGES: Final[Mapping[Stage, StageDefinition]] = {
    Stage.OPTIMIZE: StageDefinition(
        stage=Stage.OPTIMIZE,
        first_step=Step.ANALYZING,
        last_step=Step.DONE,
        success=(ConditionType.OPTIMIZED, ConditionType.COMPLETE),
        success_reason=Reason.SUCCEEDED,
        failure=(ConditionType.FAILED, True),
        worker_noun="optimizer",
        work_noun="optimization",
        requested_id=None,
    ),
    Stage.DIARIZE: StageDefinition(
        stage=Stage.DIARIZE,
        first_step=DiarizeStep.LOADING,
        last_step=None,
        success=(ConditionType.DIARIZED,),
        success_reason=Reason.DIARIZED,
        failure=(ConditionType.DIARIZED, False),
        worker_noun="diarizer",
        work_noun="diarization",
        requested_id=_diarization_id,
    ),
}
"""The order of the stages. A stage on request begins when the first stage has completed and every requested stage
before it has ended."""


@dataclass(frozen=True, slots=True)
class ActiveWork:
    """The stage of a job that has work to do, with its state. A request that the status lacks has a fresh state."""

    job: WhisperJob
    stage: Stage
    state: StageState


def active_work(job: WhisperJob) -> ActiveWork | None:
    """Finds the stage that has work to do; None for an idle job."""
    stage = active_stage(job)
    return None if stage is None else ActiveWork(job, stage, stage_state(job, stage))


def active_stage(job: WhisperJob) -> Stage | None:
    """Returns the stage that has work to do, None for an idle job. Cheap, since a pass may ask it of every job."""
    if retry_is_due(job):
        return Stage.OPTIMIZE
    for stage, definition in STAGES.items():
        request = definition.request_in(job.spec)
        if definition.on_request and request is None:
            continue
        recorded = _recorded(job.status, stage)
        if recorded is None or _answered_request(recorded) != request or not recorded.phase.terminal:
            return stage
        if recorded.phase is Phase.ERROR and not definition.on_request:
            return None
    return None


def retry_is_due(job: WhisperJob) -> bool:
    """Whether the job ended in an error of the service, and its owner has requested since then to run it again."""
    status, retry = job.status, job.spec.retry
    return retry is not None and retry != status.retry and is_retryable(status)


def is_retryable(status: Status) -> bool:
    """Whether the job ended in an error that the recording need not be blamed for."""
    return status.phase is Phase.ERROR and status.error is not None and status.error.code in RETRYABLE_CODES


def stage_state(job: WhisperJob, stage: Stage) -> StageState:
    """Returns the state of any stage. A stage on request whose request the status does not know yet starts afresh."""
    if stage is Stage.OPTIMIZE and retry_is_due(job):
        return StageState(request_id=job.spec.retry)
    request = STAGES[stage].request_in(job.spec)
    recorded = _recorded(job.status, stage)
    if recorded is None or request not in (None, _answered_request(recorded)):
        return StageState(request_id=request)
    return _to_state(recorded)


def from_status(status: Status) -> JobState:
    """Converts a status to the shape that decisions work with."""
    recorded = {stage: _recorded(status, stage) for stage in STAGES}
    stages = {stage: _to_state(found) for stage, found in recorded.items() if found is not None}
    return JobState(stages, status.conditions, status.observed_generation)


def to_status(state: JobState) -> Status:
    """Converts back: `to_status(from_status(s))` equals `s`. Raises ValueError for a step of another stage."""
    first = state.stages[Stage.OPTIMIZE]
    made = first.outcome if isinstance(first.outcome, OptimizeOutcome) else OptimizeOutcome()
    second = state.stages.get(Stage.DIARIZE)
    return Status(
        **_shared_fields(first),
        retry=first.request_id,
        step=Step(first.step or Step.UPLOADED),
        duration_seconds=made.duration_seconds,
        output=made.output,
        warnings=made.warnings,
        diarization=None if second is None else _to_diarization(second),
        conditions=state.conditions,
        observed_generation=state.observed_generation,
    )


def _recorded(status: Status, stage: Stage) -> Status | DiarizationState | None:
    """Returns the part of a status that records this stage; None if the stage has not begun."""
    match stage:
        case Stage.OPTIMIZE:
            return status
        case Stage.DIARIZE:
            return status.diarization


def _answered_request(recorded: Status | DiarizationState) -> str | None:
    return recorded.request_id if isinstance(recorded, DiarizationState) else None


def _to_state(recorded: Status | DiarizationState) -> StageState:
    if isinstance(recorded, Status):
        outcome = OptimizeOutcome(recorded.output, recorded.duration_seconds, recorded.warnings)
        return StageState(**_shared_fields(recorded), step=recorded.step, request_id=recorded.retry, outcome=outcome)
    return StageState(
        **_shared_fields(recorded),
        step=recorded.step,
        request_id=recorded.request_id,
        request_time=recorded.request_time,
        outcome=DiarizeOutcome(
            num_speakers=recorded.num_speakers,
            total_segments=recorded.total_segments,
            result_key=recorded.result_key,
            result_sha256=recorded.result_sha256,
            model=recorded.model,
            device=recorded.device,
        ),
    )


def _to_diarization(state: StageState) -> DiarizationState:
    made = state.outcome if isinstance(state.outcome, DiarizeOutcome) else DiarizeOutcome()
    return DiarizationState(
        **_shared_fields(state),
        request_id="none" if state.request_id is None else state.request_id,
        request_time=state.request_time,
        step=None if state.step is None else DiarizeStep(state.step),
        num_speakers=made.num_speakers,
        total_segments=made.total_segments,
        result_key=made.result_key,
        result_sha256=made.result_sha256,
        model=made.model,
        device=made.device,
    )


class _SharedFields(TypedDict):
    """The fields of `StageStatus`, typed, so that mypy checks them where they are passed on."""

    phase: Phase
    progress: int
    attempt: int
    failure_count: int
    machine_fault_count: int
    out_of_memory: bool
    next_attempt_time: datetime | None
    start_time: datetime | None
    completion_time: datetime | None
    error: JobFailure | None


def _shared_fields(state: StageState | StageStatus) -> _SharedFields:
    return {
        "phase": state.phase,
        "progress": state.progress,
        "attempt": state.attempt,
        "failure_count": state.failure_count,
        "machine_fault_count": state.machine_fault_count,
        "out_of_memory": state.out_of_memory,
        "next_attempt_time": state.next_attempt_time,
        "start_time": state.start_time,
        "completion_time": state.completion_time,
        "error": state.error,
    }
