"""What to do next about a job: a pure decision over what was observed.

`decide` walks one literal table of rules for the stage that has work to do; the first rule with an answer wins. It does
no I/O and reads no clock, so every line of it is tested as a table. A pass writes the status or starts one worker,
never both: a worker is started first and adopted by the next pass, so that a crash between the two leaves a worker
whose name says what it is.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from whisperjob.deciding.decision import (
    AT_ONCE,
    NOTHING,
    Decision,
    Event,
    Observed,
    Policy,
    ProgressReport,
    Result,
    Unusable,
    VerdictGiven,
)
from whisperjob.deciding.endings import completed, failed
from whisperjob.deciding.view import View, workers_to_stop
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import ConditionType, Phase, Reason, Stage, clamp_percent
from whisperjob.model.resource import Status, WhisperJob
from whisperjob.model.sources import may_read_source
from whisperjob.model.stages import ActiveWork, OptimizeOutcome, StageState, active_work, from_status
from whisperjob.model.workers import Worker, WorkerState


def needs_result(work: ActiveWork, current: Worker | None) -> bool:
    """Whether the attempt's result must be read before deciding: its worker, `current`, has ended or is gone."""
    if work.state.attempt == 0 or work.state.next_attempt_time is not None:
        return False
    return current is None or current.state.ended


def decide(job: WhisperJob, observed: Observed, now: datetime, policy: Policy) -> Decision:
    """Returns what to do next. It is total: every state of the world has an answer, and the usual one is to wait."""
    work = active_work(job)
    if work is None:
        return expire(job, observed, now, policy)
    view = View(work, observed, now, policy)
    for rule in RULES:
        decision = rule(view)
        if decision is not None:
            return decision
    return NOTHING


def expire(job: WhisperJob, observed: Observed, now: datetime, policy: Policy) -> Decision:
    """An idle job's record is deleted when its retention is over; its objects follow."""
    ends = [state.completion_time for state in from_status(job.status).stages.values()]
    ended = max((end for end in ends if end is not None), default=job.metadata.creation_timestamp)
    ttl = job.spec.ttl_seconds_after_finished
    left = ended + (policy.retention if ttl is None else timedelta(seconds=ttl)) - now
    stop = workers_to_stop(job, observed)
    left = max(left, observed.deletion_held)
    if left > timedelta(0):
        return Decision(stop=stop, requeue_after=left)
    event = Event(Reason.EXPIRED, "The job was deleted because its retention time has passed")
    return Decision(delete_record=True, stop=stop, events=(event,))


def accept_request(view: View) -> Decision | None:
    """The spec requests a stage by an id that the status does not have yet: a fresh state waits from now on."""
    known = from_status(view.job.status).stages.get(view.stage)
    if known is not None and known.request_id == view.state.request_id:
        return None
    last = max(known.attempt if known else 0, view.newest_attempt)
    # One attempt is skipped, so that nothing which a worker of the last request left, or leaves, counts for this one.
    state = replace(view.state, request_time=view.now, attempt=last + 1 if last else 0)
    ends = (*view.definition.success, view.definition.failure[0])
    conditions = tuple(c for c in view.waiting_since_now() if c.type not in ends)
    return Decision(status=view.status_with(state, conditions), stop=view.stops(), requeue_after=AT_ONCE)


def refuse_without_worker(view: View) -> Decision | None:
    """This installation has no worker for the stage."""
    if view.policy.has_worker_for(view.stage):
        return None
    message = f"This service has no {view.definition.worker_noun}."
    return failed(view, JobCode.MODEL_UNAVAILABLE, Reason.INFRASTRUCTURE, message)


def cancel(view: View) -> Decision | None:
    """The owner cancelled the job."""
    if not view.job.spec.cancel:
        return None
    return failed(view, JobCode.CANCELLED, Reason.CANCELLED, "The job was cancelled.")


def refuse_source(view: View) -> Decision | None:
    """The job names a source that it may not read. Only a job that has not begun is judged: settings may change."""
    if view.stage is not Stage.OPTIMIZE or view.state.attempt or may_read_source(view.job, view.policy.import_prefix):
        return None
    where = f" or below {view.policy.import_prefix}" if view.policy.import_prefix else ""
    message = f"The source must lie among the job's own uploads{where}."
    return failed(view, JobCode.SOURCE_REFUSED, Reason.BAD_INPUT, message)


def finish(view: View) -> Decision | None:
    """The attempt left a result: the stage has ended, whatever became of the worker afterwards."""
    match view.observed.result:
        case VerdictGiven(verdict):
            return failed(view, verdict.code, Reason.BAD_INPUT, verdict.message)
        case None | Unusable():
            return None
        case result:
            return completed(view, result)


def retry_or_fail(view: View) -> Decision | None:
    """The attempt's worker ended without a valid result: count the failure, then wait or give up."""
    worker = view.current
    if worker is None or not worker.state.ended or view.state.next_attempt_time is not None:
        return None
    if worker.machine_fault and view.observed.result is None:
        return _wait_for_machine(view, worker)
    if worker.deadline_exceeded:
        return failed(view, JobCode.RUN_DEADLINE, Reason.DEADLINE_EXCEEDED, "The worker reached its run deadline.")
    failures = view.state.failure_count + 1
    cause = _cause_of_failure(worker, view.observed.result)
    if failures >= view.policy.max_failures:
        message = f"The work failed {failures} times; the last time: {cause}"
        return failed(view, JobCode.INFRASTRUCTURE, Reason.INFRASTRUCTURE, message, failure_count=failures)
    wait = view.policy.retry.wait(failures)
    state = replace(
        view.state,
        failure_count=failures,
        out_of_memory=view.state.out_of_memory or worker.out_of_memory,
        next_attempt_time=view.now + wait,
    )
    conditions = view.conditions_with(ConditionType.SCHEDULED, False, Reason.RETRYING, cause)
    event = Event(Reason.RETRYING, f"Attempt {worker.attempt} failed: {cause}", warning=True)
    return Decision(status=view.status_with(state, conditions), stop=view.stops(), requeue_after=wait, events=(event,))


def _wait_for_machine(view: View, worker: Worker) -> Decision:
    """The recording is not at fault, and an attempt succeeds once the machine is mended: none is one too many."""
    faults = view.state.machine_fault_count + 1
    wait = view.policy.retry.wait(faults)
    state = replace(view.state, phase=Phase.QUEUED, machine_fault_count=faults, next_attempt_time=view.now + wait)
    message = f"{worker.message[:1].upper()}{worker.message[1:]}."
    conditions = view.conditions_with(ConditionType.SCHEDULED, False, Reason.MACHINE_FAULT, message)
    event = Event(Reason.MACHINE_FAULT, f"Attempt {worker.attempt} must be repeated: {worker.message}", warning=True)
    return Decision(status=view.status_with(state, conditions), stop=view.stops(), requeue_after=wait, events=(event,))


def _cause_of_failure(worker: Worker, result: Result | None) -> str:
    if isinstance(result, Unusable):
        return f"its result is not valid ({result.why})"
    if worker.state is WorkerState.SUCCEEDED:
        return "the worker ended without a result"
    return worker.message or worker.reason or "the worker failed"


def suspend(view: View) -> Decision | None:
    """A suspended job is queued, and no worker works for it."""
    if not view.job.spec.suspend:
        return None
    scheduled = view.job.status.condition(ConditionType.SCHEDULED)
    if view.state.phase is Phase.QUEUED and scheduled and scheduled.reason == Reason.SUSPENDED:
        return Decision(stop=view.stops())
    state = replace(view.state, phase=Phase.QUEUED, attempt=max(view.state.attempt, view.newest_attempt))
    conditions = view.conditions_with(ConditionType.SCHEDULED, False, Reason.SUSPENDED, "The job is suspended")
    return Decision(
        status=view.status_with(state, conditions),
        stop=view.stops(),
        events=(Event(Reason.SUSPENDED, "Suspended"),),
    )


def resume(view: View) -> Decision | None:
    """The job was resumed: it waits from now on."""
    scheduled = view.job.status.condition(ConditionType.SCHEDULED)
    if scheduled is None or scheduled.reason != Reason.SUSPENDED:
        return None
    status = view.status_with(view.state, view.waiting_since_now())
    return Decision(status=status, requeue_after=AT_ONCE)


def start_deadline(view: View) -> Decision | None:
    """No worker has begun to run in time."""
    worker = view.current
    left = _start_left(view)
    if left is None or left > timedelta(0) or (worker and worker.state is WorkerState.RUNNING):
        return None
    cause = f" ({worker.message})" if worker and worker.message else ""
    message = f"No worker could be started in time{cause}."
    return failed(view, JobCode.START_DEADLINE, Reason.DEADLINE_EXCEEDED, message)


def _start_left(view: View) -> timedelta | None:
    """Returns for how long the job may still wait for a worker.

    None while it does not wait for one, or waits for the machine to be mended, however long that takes.
    """
    scheduled = view.job.status.condition(ConditionType.SCHEDULED)
    if scheduled and (scheduled.status == "True" or scheduled.reason == Reason.MACHINE_FAULT):
        return None
    since = scheduled.last_transition_time if scheduled else view.job.metadata.creation_timestamp
    limit = view.job.spec.deadlines.start_seconds
    return (view.policy.start_deadline if limit is None else timedelta(seconds=limit)) - view.age_of(since)


def give_up_stuck(view: View) -> Decision | None:
    """A worker runs past its deadline although its launcher should have ended it: its node is lost."""
    worker = view.current
    if worker is None or worker.state is not WorkerState.RUNNING or worker.started_at is None:
        return None
    if _run_left(view, worker.started_at) > timedelta(0):
        return None
    return failed(view, JobCode.RUN_DEADLINE, Reason.DEADLINE_EXCEEDED, "The worker reached its run deadline.")


def _run_left(view: View, started_at: datetime) -> timedelta:
    """Returns after what time a worker is given up that its launcher does not end."""
    return run_limit(view.job, view.policy) + view.policy.stuck_after - view.age_of(started_at)


def run_limit(job: WhisperJob, policy: Policy) -> timedelta:
    """Returns how long one worker of this job may run."""
    limit = job.spec.deadlines.run_seconds
    return policy.run_deadline if limit is None else timedelta(seconds=limit)


def adopt(view: View) -> Decision | None:
    """A worker exists that the status does not record yet.

    The last pass started it, or an engine that stopped before it wrote the status.
    """
    newest = max(view.workers, key=lambda w: w.attempt, default=None)
    if newest is None or newest.attempt <= view.state.attempt:
        return None
    adopted = view.status_with(replace(view.state, attempt=newest.attempt, next_attempt_time=None))
    return Decision(
        status=_running_status(view, newest) or adopted,
        stop=view.stops(but=newest),
        requeue_after=_until_deadline(view, newest),
        events=(Event(Reason.STARTED, f"Started attempt {newest.attempt} as {newest.name}"),),
    )


def advance(view: View) -> Decision | None:
    """The worker is alive: its state and its progress go into the status."""
    worker = view.current
    if worker is None or worker.state.ended:
        return None
    others = view.stops(but=worker)
    status = _running_status(view, worker)
    wait = _until_deadline(view, worker)
    if status is None:
        return Decision(stop=others, requeue_after=wait)
    begins = view.state.phase is Phase.QUEUED and _runs(view, worker)
    events = (Event(Reason.RUNNING, f"Attempt {worker.attempt} is running"),) if begins else ()
    return Decision(status=status, stop=others, requeue_after=wait, events=events)


def _until_deadline(view: View, worker: Worker) -> timedelta | None:
    if worker.state is WorkerState.RUNNING and worker.started_at is not None:
        left: timedelta | None = _run_left(view, worker.started_at)
    else:
        left = _start_left(view)
    return None if left is None else max(left, AT_ONCE)


def _runs(view: View, worker: Worker) -> bool:
    """A worker that reports progress runs, whatever its launcher has observed so far."""
    return _report_of(view, worker) is not None or worker.state is WorkerState.RUNNING


def _running_status(view: View, worker: Worker) -> Status | None:
    """Builds the status with what the worker and its report say; None if that is what the status says already."""
    state = replace(view.state, attempt=worker.attempt, next_attempt_time=None)
    if _runs(view, worker):
        start_time = view.state.start_time or worker.started_at or view.now
        state = _with_progress(view, replace(state, phase=Phase.PROCESSING, start_time=start_time), worker)
        conditions = view.conditions_with(ConditionType.SCHEDULED, True, Reason.RUNNING)
        report = _report_of(view, worker)
        if report and report.note:
            kind = view.definition.success[0]
            conditions = view.conditions_with(kind, False, Reason.RUNNING, report.note, among=conditions)
    else:
        reason = worker.reason or Reason.WAITING
        conditions = view.conditions_with(ConditionType.SCHEDULED, False, reason, worker.message)
    if (state, conditions) == (view.state, view.job.status.conditions):
        return None
    return view.status_with(state, conditions)


def _report_of(view: View, worker: Worker) -> ProgressReport | None:
    report = view.observed.report
    return report if report and (report.stage, report.attempt) == (view.stage, worker.attempt) else None


def _with_progress(view: View, state: StageState, worker: Worker) -> StageState:
    """Returns the state with the progress that the worker has made; progress never goes backwards."""
    report = _report_of(view, worker)
    step, percent = (report.step, report.percent) if report else (view.definition.first_step, 0.0)
    mark = clamp_percent(step, percent)
    if report and report.duration_seconds is not None and isinstance(state.outcome, OptimizeOutcome):
        state = replace(state, outcome=replace(state.outcome, duration_seconds=report.duration_seconds))
    if mark > state.progress or state.step is None:
        state = replace(state, step=step, progress=mark)
    return state


def back_off(view: View) -> Decision | None:
    """The last attempt failed and was counted: wait."""
    due = view.state.next_attempt_time
    left = timedelta(0) if due is None else -view.age_of(due)
    if left <= timedelta(0):
        return None
    return Decision(stop=view.stops(), requeue_after=left)


QUOTA_RECHECK: Final = timedelta(seconds=30)
"""What a tenant has used is a guess while the length of a recording is not known, so it is looked at again."""


def wait_for_capacity(view: View) -> Decision | None:
    """The limit of attempts at this stage, or of the tenant's jobs, is reached: the job waits for its turn."""
    limit, own_limit = view.policy.limit_of(view.stage), view.observed.tenant_limit
    if limit is not None and view.observed.ahead >= limit:
        message = f"{limit} {view.definition.work_noun}(s) are running, which is the limit."
    elif own_limit is not None and view.observed.tenant_ahead >= own_limit:
        message = f"{own_limit} job(s) of this tenant are running, which is its limit."
    elif view.observed.audio_wait:
        message = "The hours of sound that this tenant may use in 24 hours are used up."
    else:
        return None
    conditions = view.conditions_with(ConditionType.SCHEDULED, False, Reason.WAITING, message)
    unchanged = conditions == view.job.status.conditions
    left = _start_left(view)
    return Decision(
        status=None if unchanged else view.status_with(view.state, conditions),
        requeue_after=_soonest(left, min(view.observed.audio_wait, QUOTA_RECHECK) or None),
    )


def _soonest(*waits: timedelta | None) -> timedelta | None:
    """Returns the shortest of these waits, None if there is none."""
    return min((max(wait, AT_ONCE) for wait in waits if wait is not None), default=None)


def launch(view: View) -> Decision | None:
    """No worker works for this job: start the next attempt.

    A missing worker is not counted as a failure; a restart of the engine removes workers.
    """
    return Decision(launch_attempt=max(view.state.attempt, view.newest_attempt) + 1, launch_stage=view.stage)


Rule = Callable[[View], Decision | None]

RULES: tuple[Rule, ...] = (
    accept_request,
    refuse_without_worker,
    cancel,
    refuse_source,
    finish,
    retry_or_fail,
    suspend,
    resume,
    start_deadline,
    give_up_stuck,
    adopt,
    advance,
    back_off,
    wait_for_capacity,
    launch,
)
"""The rules in their order, the same for every stage. An idle job meets none of them."""
