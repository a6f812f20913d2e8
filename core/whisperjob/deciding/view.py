"""A job and what was observed of it, as the rules of one stage read it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from whisperjob.deciding.decision import Observed, Policy
from whisperjob.model.phase import ConditionType, Reason, Stage
from whisperjob.model.resource import Condition, Status, WhisperJob
from whisperjob.model.stages import STAGES, ActiveWork, StageDefinition, StageState, from_status, to_status
from whisperjob.model.workers import Worker


def current_worker(work: ActiveWork, workers: tuple[Worker, ...]) -> Worker | None:
    """Returns the worker of the attempt that the status knows. A worker that is being stopped counts as gone."""
    attempt = (work.job.uid, work.stage, work.state.attempt)
    return next((w for w in workers if (w.job_uid, w.stage, w.attempt) == attempt and not w.stopping), None)


def workers_to_stop(job: WhisperJob, observed: Observed, *, but: Worker | None = None) -> tuple[str, ...]:
    """Names every worker of the job that is not being stopped yet: no two may work for a job at a time."""
    return tuple(w.name for w in observed.workers if w.job_uid == job.uid and w is not but and not w.stopping)


def moments_of_work(work: ActiveWork, workers: tuple[Worker, ...]) -> tuple[datetime, ...]:
    """Returns the moments from which, or to which, the rules count."""
    scheduled = work.job.status.condition(ConditionType.SCHEDULED)
    moments = (
        work.job.metadata.creation_timestamp,
        scheduled.last_transition_time if scheduled else None,
        work.state.next_attempt_time,
        *(worker.started_at for worker in workers),
    )
    return tuple(moment for moment in moments if moment is not None)


@dataclass(frozen=True, slots=True)
class View:
    """What the rules of one stage read, and how they make the next status."""

    work: ActiveWork
    observed: Observed
    now: datetime
    policy: Policy

    @property
    def job(self) -> WhisperJob:
        """The record."""
        return self.work.job

    @property
    def stage(self) -> Stage:
        """The stage that has work to do."""
        return self.work.stage

    @property
    def state(self) -> StageState:
        """How the stage stands."""
        return self.work.state

    @property
    def definition(self) -> StageDefinition:
        """What is particular to the stage."""
        return STAGES[self.stage]

    @property
    def current(self) -> Worker | None:
        """The worker of the attempt that the status knows."""
        return current_worker(self.work, self.observed.workers)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers of this job and this stage."""
        return tuple(w for w in self.observed.workers if w.stage is self.stage and w.job_uid == self.job.uid)

    @property
    def newest_attempt(self) -> int:
        """The highest attempt that any worker of the stage makes; 0 where there is none."""
        return max((w.attempt for w in self.workers), default=0)

    def age_of(self, moment: datetime) -> timedelta:
        """Returns how long ago this moment of the job was, whatever the clock did since; negative if it is ahead."""
        age = self.observed.ages.get(moment)
        return self.now - moment if age is None else age

    def stops(self, *, but: Worker | None = None) -> tuple[str, ...]:
        """Names the workers to stop, all but one."""
        return workers_to_stop(self.job, self.observed, but=but)

    def conditions_with(
        self,
        kind: ConditionType,
        holds: bool,
        reason: str,
        message: str = "",
        *,
        among: tuple[Condition, ...] | None = None,
    ) -> tuple[Condition, ...]:
        """Returns the status's conditions (or `among`) with one of them set."""
        conditions = self.job.status.conditions if among is None else among
        return set_condition(conditions, kind, holds, reason, message, self.now, self.job.metadata.generation)

    def waiting_since_now(self) -> tuple[Condition, ...]:
        """Returns the conditions of a stage that waits for a worker from now on; the start deadline counts from now."""
        others = tuple(c for c in self.job.status.conditions if c.type is not ConditionType.SCHEDULED)
        return self.conditions_with(ConditionType.SCHEDULED, False, Reason.WAITING, among=others)

    def status_with(self, state: StageState, conditions: tuple[Condition, ...] | None = None) -> Status:
        """Builds the status with a new state of this stage, and with new conditions where they are given."""
        known = from_status(self.job.status)
        return to_status(
            replace(
                known.with_stage(self.stage, state),
                conditions=known.conditions if conditions is None else conditions,
                observed_generation=self.job.metadata.generation,
            )
        )


def set_condition(
    conditions: tuple[Condition, ...],
    kind: ConditionType,
    holds: bool,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
) -> tuple[Condition, ...]:
    """Returns the conditions with one replaced or added. Its transition time moves only when its status does."""
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
