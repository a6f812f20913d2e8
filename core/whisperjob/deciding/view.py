"""A job, what was seen of it, and which of its stages has work to do: what the rules of plan.py read."""

from dataclasses import dataclass
from datetime import datetime

from whisperjob.deciding.decision import Observed, Policy
from whisperjob.model.phase import ConditionType, Phase, Reason, Stage
from whisperjob.model.resource import Condition, DiarizationState, Status, WhisperJob
from whisperjob.model.workers import Worker

StageState = Status | DiarizationState
"""Phase, progress, attempts and end of a stage: the first stage's stand in the status itself."""


def active_stage(job: WhisperJob) -> Stage | None:
    """The stage that has work to do, None for a job that rests: a diarization runs once the job is completed."""
    if not job.status.phase.terminal:
        return Stage.OPTIMIZE
    asked = job.spec.diarization
    if asked is None or job.status.phase is not Phase.COMPLETED:
        return None
    state = job.status.diarization
    done = state is not None and state.request_id == asked.request_id and state.phase.terminal
    return None if done else Stage.DIARIZE


def stage_state(job: WhisperJob, stage: Stage) -> StageState:
    """What the status says of a stage; a diarization whose request it does not know yet is a fresh one."""
    if stage is Stage.OPTIMIZE:
        return job.status
    asked, state = job.spec.diarization, job.status.diarization
    if state is not None and (asked is None or asked.request_id == state.request_id):
        return state
    return DiarizationState(request_id=asked.request_id if asked else "none")


def current_worker(job: WhisperJob, stage: Stage, workers: tuple[Worker, ...]) -> Worker | None:
    """The worker of the attempt the status knows; one that is being stopped is as good as gone."""
    attempt = (job.uid, stage, stage_state(job, stage).attempt)
    return next((c for c in workers if (c.job_uid, c.stage, c.attempt) == attempt and not c.stopping), None)


@dataclass(frozen=True, slots=True)
class View:
    """A job and what was seen of it, as the rules of one stage read it."""

    job: WhisperJob
    seen: Observed
    now: datetime
    policy: Policy
    stage: Stage

    @property
    def status(self) -> Status:
        return self.job.status

    @property
    def state(self) -> StageState:
        return stage_state(self.job, self.stage)

    @property
    def current(self) -> Worker | None:
        return current_worker(self.job, self.stage, self.seen.workers)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The stage's."""
        return tuple(c for c in self.seen.workers if c.stage is self.stage and c.job_uid == self.job.uid)

    @property
    def newest_attempt(self) -> int:
        return max((c.attempt for c in self.workers), default=0)

    def stops(self, *, but: Worker | None = None) -> tuple[str, ...]:
        """Every worker of the job that is not on its way out yet: no two work for it at once."""
        return tuple(c.name for c in self.seen.workers if c.job_uid == self.job.uid and c is not but and not c.stopping)

    def condition(
        self,
        kind: ConditionType,
        holds: bool,
        reason: str,
        message: str = "",
        *,
        among: tuple[Condition, ...] | None = None,
    ) -> tuple[Condition, ...]:
        """The status's conditions (or those given) with one set."""
        conditions = self.status.conditions if among is None else among
        return with_condition(conditions, kind, holds, reason, message, self.now, self.job.metadata.generation)

    def waiting_since_now(self) -> tuple[Condition, ...]:
        """The conditions of a stage that waits for a worker from now on, which the start deadline counts."""
        others = tuple(c for c in self.status.conditions if c.type is not ConditionType.SCHEDULED)
        return self.condition(ConditionType.SCHEDULED, False, Reason.WAITING, among=others)

    def changed(self, **changes: object) -> Status:
        """The status with changes of the stage's state; the conditions are the job's, whatever the stage."""
        whole: dict[str, object] = {"observed_generation": self.job.metadata.generation}
        if self.stage is Stage.DIARIZE:
            whole |= {"conditions": changes.pop("conditions", self.status.conditions)}
            changes = {"diarization": self.state.model_copy(update=changes)}
        return self.status.model_copy(update={**whole, **changes})


def with_condition(
    conditions: tuple[Condition, ...],
    kind: ConditionType,
    holds: bool,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
) -> tuple[Condition, ...]:
    """The conditions with one replaced or added; its transition time moves only when its status does."""
    status = "True" if holds else "False"
    old = next((c for c in conditions if c.type is kind), None)
    new = Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if old and old.status == status else now,
        observed_generation=generation,
    )
    return tuple(new if c is old else c for c in conditions) if old else (*conditions, new)
