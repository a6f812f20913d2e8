"""What to do next about a job: a pure decision over what was observed.

`decide` walks one literal table of rules; the first that has something to say wins. It does no I/O and reads no
clock, so every line of it is tested as a table. A pass writes the status or starts one child, never both: a child is
started first and adopted by the next pass, so a crash between the two leaves a child whose name says what it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from whisperjob.model.children import Child, ChildState
from whisperjob.model.decision import (
    AT_ONCE,
    NOTHING,
    Decision,
    Event,
    Finished,
    Observed,
    Policy,
    Refused,
    Result,
    Unusable,
)
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import ConditionType, Phase, Reason, Stage, Step, clamp_percent
from whisperjob.model.resource import Condition, JobFailure, Output, Status, WhisperJob


@dataclass(frozen=True, slots=True)
class View:
    """A job and what was seen of it, as the rules read it."""

    job: WhisperJob
    seen: Observed
    now: datetime
    policy: Policy

    @property
    def status(self) -> Status:
        return self.job.status

    @property
    def current(self) -> Child | None:
        """The child of the attempt the status knows; one that is being stopped is as good as gone."""
        return _current(self.job, self.seen.children)

    @property
    def children(self) -> tuple[Child, ...]:
        return tuple(c for c in self.seen.children if c.stage is Stage.OPTIMIZE and c.job_uid == self.job.uid)

    def stops(self, *, but: Child | None = None) -> tuple[str, ...]:
        return tuple(c.name for c in self.children if c is not but and not c.stopping)

    def condition(self, kind: ConditionType, holds: bool, reason: str, message: str = "") -> tuple[Condition, ...]:
        return with_condition(
            self.status.conditions, kind, holds, reason, message, self.now, self.job.metadata.generation
        )


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


def needs_result(job: WhisperJob, children: tuple[Child, ...]) -> bool:
    """Whether the store must be asked for the attempt's result before deciding: its worker ended or is gone."""
    if job.status.phase.terminal or job.status.attempt == 0 or job.status.next_attempt_time is not None:
        return False
    current = _current(job, children)
    return current is None or current.state.ended


def _current(job: WhisperJob, children: tuple[Child, ...]) -> Child | None:
    attempt = (job.uid, Stage.OPTIMIZE, job.status.attempt)
    return next((c for c in children if (c.job_uid, c.stage, c.attempt) == attempt and not c.stopping), None)


def decide(job: WhisperJob, seen: Observed, now: datetime, policy: Policy) -> Decision:
    """What to do next. Total: every state of the world has an answer, the usual one being to wait."""
    view = View(job, seen, now, policy)
    for rule in RULES:
        decision = rule(view)
        if decision is not None:
            return decision
    return NOTHING


def expire(view: View) -> Decision | None:
    """An ended job's record goes when its time is over; its objects follow."""
    if not view.status.phase.terminal:
        return None
    ended = view.status.completion_time or view.job.metadata.creation_timestamp
    ttl = view.job.spec.ttl_seconds_after_finished
    left = ended + (view.policy.retention if ttl is None else timedelta(seconds=ttl)) - view.now
    if left > timedelta(0):
        return Decision(stop=view.stops(), requeue_after=left)
    return Decision(delete_record=True, stop=view.stops(), events=(Event(Reason.EXPIRED, "Its time is over"),))


def cancel(view: View) -> Decision | None:
    if not view.job.spec.cancel:
        return None
    return _fail(view, JobCode.CANCELLED, Reason.CANCELLED, "The job was cancelled.")


def finish(view: View) -> Decision | None:
    """The attempt left a result: the job has ended, whatever became of the worker afterwards."""
    match view.seen.result:
        case Finished(manifest, key, sha256):
            message = f"{len(manifest.chunks)} chunk(s), {manifest.duration_seconds:.1f} s of audio"
            conditions = view.condition(ConditionType.OPTIMIZED, True, Reason.SUCCEEDED, message)
            conditions = with_condition(
                conditions, ConditionType.COMPLETE, True, Reason.SUCCEEDED, "", view.now, view.job.metadata.generation
            )
            return _end(
                view,
                {
                    "phase": Phase.COMPLETED,
                    "step": Step.DONE,
                    "progress": 100,
                    "duration_seconds": manifest.duration_seconds,
                    "warnings": manifest.warnings,
                    "output": Output(
                        manifest_key=key,
                        manifest_sha256=sha256,
                        total_chunks=len(manifest.chunks),
                        size_bytes=manifest.size_bytes,
                    ),
                    "conditions": conditions,
                },
                Event(Reason.SUCCEEDED, message),
            )
        case Refused(failure):
            return _fail(view, failure.code, Reason.BAD_INPUT, failure.message)
        case _:
            return None


def retry_or_fail(view: View) -> Decision | None:
    """The attempt's worker ended without a result that holds: count it, then wait or give up."""
    child = view.current
    if child is None or not child.state.ended or view.status.next_attempt_time is not None:
        return None
    if child.deadline_exceeded:
        return _fail(view, JobCode.RUN_DEADLINE, Reason.DEADLINE_EXCEEDED, "The work took longer than it may.")
    failures = view.status.failure_count + 1
    why = _why_failed(child, view.seen.result)
    if failures >= view.policy.max_failures:
        message = f"The work failed {failures} times; the last time: {why}"
        return _fail(view, JobCode.INFRASTRUCTURE, Reason.INFRASTRUCTURE, message, failure_count=failures)
    wait = min(view.policy.retry_base * 2 ** min(failures - 1, 16), view.policy.retry_cap)
    status = _changed(
        view,
        failure_count=failures,
        next_attempt_time=view.now + wait,
        conditions=view.condition(ConditionType.SCHEDULED, False, Reason.RETRYING, why),
    )
    event = Event(Reason.RETRYING, f"Attempt {child.attempt} failed: {why}", warning=True)
    return Decision(status=status, stop=view.stops(), requeue_after=wait, events=(event,))


def _why_failed(child: Child, result: Result | None) -> str:
    if isinstance(result, Unusable):
        return f"its result does not hold ({result.why})"
    if child.state is ChildState.SUCCEEDED:
        return "the worker ended without a result"
    return child.message or child.reason or "the worker failed"


def suspend(view: View) -> Decision | None:
    """A suspended job is queued, and nothing works for it."""
    if not view.job.spec.suspend:
        return None
    scheduled = view.status.condition(ConditionType.SCHEDULED)
    if view.status.phase is Phase.QUEUED and scheduled and scheduled.reason == Reason.SUSPENDED:
        return Decision(stop=view.stops())
    newest = max((c.attempt for c in view.children), default=0)
    status = _changed(
        view,
        phase=Phase.QUEUED,
        attempt=max(view.status.attempt, newest),
        conditions=view.condition(ConditionType.SCHEDULED, False, Reason.SUSPENDED, "The job is suspended"),
    )
    return Decision(status=status, stop=view.stops(), events=(Event(Reason.SUSPENDED, "Suspended"),))


def adopt(view: View) -> Decision | None:
    """A child newer than the status knows: it was started last pass, or by an engine that died before it said so."""
    newest = max(view.children, key=lambda c: c.attempt, default=None)
    if newest is None or newest.attempt <= view.status.attempt:
        return None
    return Decision(
        status=_running_status(view, newest) or _changed(view, attempt=newest.attempt, next_attempt_time=None),
        stop=view.stops(but=newest),
        requeue_after=_until_deadline(view, newest),
        events=(Event(Reason.STARTED, f"Started attempt {newest.attempt} as {newest.name}"),),
    )


def resume(view: View) -> Decision | None:
    """The job was suspended and is no more: from now on it waits, which the start deadline counts."""
    scheduled = view.status.condition(ConditionType.SCHEDULED)
    if scheduled is None or scheduled.reason != Reason.SUSPENDED:
        return None
    waiting = scheduled.model_copy(update={"reason": Reason.WAITING, "message": "", "last_transition_time": view.now})
    conditions = tuple(waiting if c is scheduled else c for c in view.status.conditions)
    return Decision(status=_changed(view, conditions=conditions), requeue_after=AT_ONCE)


def start_deadline(view: View) -> Decision | None:
    """No worker came to run in time."""
    child = view.current
    due = _start_due(view)
    if due is None or due > view.now or (child and child.state is ChildState.RUNNING):
        return None
    why = f" ({child.message})" if child and child.message else ""
    return _fail(view, JobCode.START_DEADLINE, Reason.DEADLINE_EXCEEDED, f"No worker could be started in time{why}.")


def _start_due(view: View) -> datetime | None:
    """When a worker must run at the latest; None while the job does not wait for one."""
    scheduled = view.status.condition(ConditionType.SCHEDULED)
    if scheduled and scheduled.status == "True":
        return None
    since = scheduled.last_transition_time if scheduled else view.job.metadata.creation_timestamp
    limit = view.job.spec.deadlines.start_seconds
    return since + (view.policy.start_deadline if limit is None else timedelta(seconds=limit))


def stuck(view: View) -> Decision | None:
    """A worker that runs past its deadline although whoever runs it should have ended it (a lost node)."""
    child = view.current
    if child is None or child.state is not ChildState.RUNNING or child.started_at is None:
        return None
    if view.now < child.started_at + run_limit(view.job, view.policy) + view.policy.stuck_after:
        return None
    return _fail(view, JobCode.RUN_DEADLINE, Reason.DEADLINE_EXCEEDED, "The work took longer than it may.")


def run_limit(job: WhisperJob, policy: Policy) -> timedelta:
    """How long one worker of this job may run."""
    limit = job.spec.deadlines.run_seconds
    return policy.run_deadline if limit is None else timedelta(seconds=limit)


def advance(view: View) -> Decision | None:
    """The worker lives: take over its state and its progress."""
    child = view.current
    if child is None or child.state.ended:
        return None
    others = view.stops(but=child)
    status = _running_status(view, child)
    wait = _until_deadline(view, child)
    if status is None:
        return Decision(stop=others, requeue_after=wait)
    started = status.phase is Phase.PROCESSING and view.status.phase is Phase.QUEUED
    events = (Event(Reason.RUNNING, f"Attempt {child.attempt} is running"),) if started else ()
    return Decision(status=status, stop=others, requeue_after=wait, events=events)


def _until_deadline(view: View, child: Child) -> timedelta | None:
    if child.state is ChildState.RUNNING and child.started_at is not None:
        due: datetime | None = child.started_at + run_limit(view.job, view.policy) + view.policy.stuck_after
    else:
        due = _start_due(view)
    return None if due is None else max(due - view.now, AT_ONCE)


def _running_status(view: View, child: Child) -> Status | None:
    """The status with what the child and its report say; None if that is what it says already."""
    changes: dict[str, object] = {"attempt": child.attempt, "next_attempt_time": None}
    report = view.seen.report if view.seen.report and view.seen.report.attempt == child.attempt else None
    if child.state is ChildState.RUNNING or report:
        changes["phase"] = Phase.PROCESSING
        changes["start_time"] = view.status.start_time or child.started_at or view.now
        changes["conditions"] = view.condition(ConditionType.SCHEDULED, True, Reason.RUNNING)
        mark = clamp_percent(Step.ANALYZING, 0)
        step = Step.ANALYZING
        if report:
            step, mark = report.step, clamp_percent(report.step, report.percent)
            if report.duration_seconds is not None:
                changes["duration_seconds"] = report.duration_seconds
        if mark > view.status.progress:
            changes["step"], changes["progress"] = step, mark
    else:
        reason = child.reason or Reason.WAITING
        changes["conditions"] = view.condition(ConditionType.SCHEDULED, False, reason, child.message)
    changed = view.status.model_copy(update=changes)
    return _observed(view, changed) if changed != view.status else None


def back_off(view: View) -> Decision | None:
    """The last attempt failed and was counted: wait."""
    due = view.status.next_attempt_time
    if due is None or due <= view.now:
        return None
    return Decision(stop=view.stops(), requeue_after=due - view.now)


def launch(view: View) -> Decision | None:
    """Nothing works for this job: start the next attempt. A missing child is no failure (an engine's restart)."""
    newest = max((c.attempt for c in view.children), default=0)
    return Decision(launch_attempt=max(view.status.attempt, newest) + 1)


Rule = Callable[[View], Decision | None]

RULES: tuple[Rule, ...] = (
    expire,
    cancel,
    finish,
    retry_or_fail,
    suspend,
    resume,
    start_deadline,
    stuck,
    adopt,
    advance,
    back_off,
    launch,
)
"""In this order. Ended jobs first: nothing after `expire` sees one."""


def _changed(view: View, **changes: object) -> Status:
    return _observed(view, view.status.model_copy(update=changes))


def _observed(view: View, status: Status) -> Status:
    return status.model_copy(update={"observed_generation": view.job.metadata.generation})


def _end(view: View, changes: dict[str, object], event: Event) -> Decision:
    status = _changed(view, **changes, completion_time=view.now, next_attempt_time=None)
    return Decision(status=status, stop=view.stops(), events=(event,))


def _fail(view: View, code: JobCode, reason: Reason, message: str, **changes: object) -> Decision:
    conditions = view.condition(ConditionType.FAILED, True, reason, message)
    ending = {"phase": Phase.ERROR, "error": JobFailure(code=code, message=message), "conditions": conditions}
    return _end(view, {**ending, **changes}, Event(reason, message, warning=True))
