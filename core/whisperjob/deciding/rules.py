"""What to do next about a job: a pure decision over what was observed.

`decide` walks one literal table of rules for the stage that has work to do; the first that has something to say wins.
It does no I/O and reads no clock, so every line of it is tested as a table. A pass writes the status or starts one
worker, never both: a worker is started first and adopted by the next pass, so a crash between the two leaves a worker
whose name says what it is.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from whisperjob.deciding.decision import (
    AT_ONCE,
    NOTHING,
    Decision,
    Event,
    Observed,
    Policy,
    Refused,
    Report,
    Result,
    Unusable,
)
from whisperjob.deciding.endings import completed, failed
from whisperjob.deciding.view import View, active_stage, current_worker, stage_state
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import (
    ConditionType,
    DiarizeStep,
    Phase,
    Reason,
    Stage,
    Step,
    clamp_percent,
)
from whisperjob.model.resource import DiarizationState, Status, WhisperJob
from whisperjob.model.sources import may_read_source
from whisperjob.model.workers import Worker, WorkerState


def needs_result(job: WhisperJob, workers: tuple[Worker, ...]) -> bool:
    """Whether the store must be asked for the attempt's result before deciding: its worker ended or is gone."""
    stage = active_stage(job)
    if stage is None:
        return False
    state = stage_state(job, stage)
    if state.attempt == 0 or state.next_attempt_time is not None:
        return False
    current = current_worker(job, stage, workers)
    return current is None or current.state.ended


def decide(job: WhisperJob, seen: Observed, now: datetime, policy: Policy) -> Decision:
    """What to do next. Total: every state of the world has an answer, the usual one being to wait."""
    stage = active_stage(job)
    if stage is None:
        return rest(View(job, seen, now, policy, Stage.OPTIMIZE))
    view = View(job, seen, now, policy, stage)
    for rule in RULES:
        decision = rule(view)
        if decision is not None:
            return decision
    return NOTHING


def rest(view: View) -> Decision:
    """An ended job's record goes when its time is over; its objects follow."""
    diarized = view.status.diarization.completion_time if view.status.diarization else None
    ended = diarized or view.status.completion_time or view.job.metadata.creation_timestamp
    ttl = view.job.spec.ttl_seconds_after_finished
    left = ended + (view.policy.retention if ttl is None else timedelta(seconds=ttl)) - view.now
    if left > timedelta(0):
        return Decision(stop=view.stops(), requeue_after=left)
    return Decision(delete_record=True, stop=view.stops(), events=(Event(Reason.EXPIRED, "Its time is over"),))


def request(view: View) -> Decision | None:
    """A diarization was asked for that the status does not know: a fresh one waits from now on."""
    known, asked = view.status.diarization, view.job.spec.diarization
    if view.stage is not Stage.DIARIZE or asked is None or (known and known.request_id == asked.request_id):
        return None
    last = max(known.attempt if known else 0, view.newest_attempt)
    # One attempt is skipped, so that nothing a worker of the request before left or leaves is taken for this one's.
    fresh = DiarizationState(request_id=asked.request_id, request_time=view.now, attempt=last + 1 if last else 0)
    others = tuple(c for c in view.waiting_since_now() if c.type is not ConditionType.DIARIZED)
    status = view.status.model_copy(
        update={"diarization": fresh, "conditions": others, "observed_generation": view.job.metadata.generation}
    )
    return Decision(status=status, stop=view.stops(), requeue_after=AT_ONCE)


def unavailable(view: View) -> Decision | None:
    if view.stage is not Stage.DIARIZE or view.policy.diarizes:
        return None
    return failed(view, JobCode.MODEL_UNAVAILABLE, Reason.INFRASTRUCTURE, "This service has no diarizer.")


def cancel(view: View) -> Decision | None:
    if not view.job.spec.cancel:
        return None
    return failed(view, JobCode.CANCELLED, Reason.CANCELLED, "The job was cancelled.")


def refuse_source(view: View) -> Decision | None:
    """Said once, at the start: where recordings are imported from may change while jobs run."""
    if view.stage is not Stage.OPTIMIZE or view.state.attempt or may_read_source(view.job, view.policy.import_prefix):
        return None
    where = f" or below {view.policy.import_prefix}" if view.policy.import_prefix else ""
    message = f"The source must lie among the job's own uploads{where}."
    return failed(view, JobCode.SOURCE_REFUSED, Reason.BAD_INPUT, message)


def finish(view: View) -> Decision | None:
    """The attempt left a result: the stage has ended, whatever became of the worker afterwards."""
    match view.seen.result:
        case Refused(failure):
            return failed(view, failure.code, Reason.BAD_INPUT, failure.message)
        case None | Unusable():
            return None
        case result:
            return completed(view, result)


def retry_or_fail(view: View) -> Decision | None:
    """The attempt's worker ended without a result that holds: count it, then wait or give up."""
    worker = view.current
    if worker is None or not worker.state.ended or view.state.next_attempt_time is not None:
        return None
    if worker.deadline_exceeded:
        return failed(view, JobCode.RUN_DEADLINE, Reason.DEADLINE_EXCEEDED, "The work took longer than it may.")
    failures = view.state.failure_count + 1
    why = _why_failed(worker, view.seen.result)
    if failures >= view.policy.max_failures:
        message = f"The work failed {failures} times; the last time: {why}"
        return failed(view, JobCode.INFRASTRUCTURE, Reason.INFRASTRUCTURE, message, failure_count=failures)
    wait = min(view.policy.retry_base * 2 ** min(failures - 1, 16), view.policy.retry_cap)
    status = view.changed(
        failure_count=failures,
        out_of_memory=view.state.out_of_memory or worker.out_of_memory,
        next_attempt_time=view.now + wait,
        conditions=view.condition(ConditionType.SCHEDULED, False, Reason.RETRYING, why),
    )
    event = Event(Reason.RETRYING, f"Attempt {worker.attempt} failed: {why}", warning=True)
    return Decision(status=status, stop=view.stops(), requeue_after=wait, events=(event,))


def _why_failed(worker: Worker, result: Result | None) -> str:
    if isinstance(result, Unusable):
        return f"its result does not hold ({result.why})"
    if worker.state is WorkerState.SUCCEEDED:
        return "the worker ended without a result"
    return worker.message or worker.reason or "the worker failed"


def suspend(view: View) -> Decision | None:
    """A suspended job is queued, and nothing works for it."""
    if not view.job.spec.suspend:
        return None
    scheduled = view.status.condition(ConditionType.SCHEDULED)
    if view.state.phase is Phase.QUEUED and scheduled and scheduled.reason == Reason.SUSPENDED:
        return Decision(stop=view.stops())
    status = view.changed(
        phase=Phase.QUEUED,
        attempt=max(view.state.attempt, view.newest_attempt),
        conditions=view.condition(ConditionType.SCHEDULED, False, Reason.SUSPENDED, "The job is suspended"),
    )
    return Decision(status=status, stop=view.stops(), events=(Event(Reason.SUSPENDED, "Suspended"),))


def adopt(view: View) -> Decision | None:
    """A worker newer than the status knows: it was started last pass, or by an engine that died before it said so."""
    newest = max(view.workers, key=lambda c: c.attempt, default=None)
    if newest is None or newest.attempt <= view.state.attempt:
        return None
    return Decision(
        status=_running_status(view, newest) or view.changed(attempt=newest.attempt, next_attempt_time=None),
        stop=view.stops(but=newest),
        requeue_after=_until_deadline(view, newest),
        events=(Event(Reason.STARTED, f"Started attempt {newest.attempt} as {newest.name}"),),
    )


def resume(view: View) -> Decision | None:
    """The job was suspended and is no more: from now on it waits."""
    scheduled = view.status.condition(ConditionType.SCHEDULED)
    if scheduled is None or scheduled.reason != Reason.SUSPENDED:
        return None
    return Decision(status=view.changed(conditions=view.waiting_since_now()), requeue_after=AT_ONCE)


def start_deadline(view: View) -> Decision | None:
    """No worker came to run in time."""
    worker = view.current
    due = _start_due(view)
    if due is None or due > view.now or (worker and worker.state is WorkerState.RUNNING):
        return None
    why = f" ({worker.message})" if worker and worker.message else ""
    return failed(view, JobCode.START_DEADLINE, Reason.DEADLINE_EXCEEDED, f"No worker could be started in time{why}.")


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
    worker = view.current
    if worker is None or worker.state is not WorkerState.RUNNING or worker.started_at is None:
        return None
    if view.now < worker.started_at + run_limit(view.job, view.policy) + view.policy.stuck_after:
        return None
    return failed(view, JobCode.RUN_DEADLINE, Reason.DEADLINE_EXCEEDED, "The work took longer than it may.")


def run_limit(job: WhisperJob, policy: Policy) -> timedelta:
    """How long one worker of this job may run."""
    limit = job.spec.deadlines.run_seconds
    return policy.run_deadline if limit is None else timedelta(seconds=limit)


def advance(view: View) -> Decision | None:
    """The worker lives: take over its state and its progress."""
    worker = view.current
    if worker is None or worker.state.ended:
        return None
    others = view.stops(but=worker)
    status = _running_status(view, worker)
    wait = _until_deadline(view, worker)
    if status is None:
        return Decision(stop=others, requeue_after=wait)
    now_runs = view.state.phase is Phase.QUEUED and _runs(view, worker)
    events = (Event(Reason.RUNNING, f"Attempt {worker.attempt} is running"),) if now_runs else ()
    return Decision(status=status, stop=others, requeue_after=wait, events=events)


def _until_deadline(view: View, worker: Worker) -> timedelta | None:
    if worker.state is WorkerState.RUNNING and worker.started_at is not None:
        due: datetime | None = worker.started_at + run_limit(view.job, view.policy) + view.policy.stuck_after
    else:
        due = _start_due(view)
    return None if due is None else max(due - view.now, AT_ONCE)


def _runs(view: View, worker: Worker) -> bool:
    """A worker that reports runs, whatever was told of it."""
    return _report(view, worker) is not None or worker.state is WorkerState.RUNNING


def _running_status(view: View, worker: Worker) -> Status | None:
    """The status with what the worker and its report say; None if that is what it says already."""
    changes: dict[str, object] = {"attempt": worker.attempt, "next_attempt_time": None}
    if _runs(view, worker):
        changes["phase"] = Phase.PROCESSING
        changes["start_time"] = view.state.start_time or worker.started_at or view.now
        report = _report(view, worker)
        conditions = view.condition(ConditionType.SCHEDULED, True, Reason.RUNNING)
        if report and report.note:
            conditions = view.condition(ConditionType.DIARIZED, False, Reason.RUNNING, report.note, among=conditions)
        changes["conditions"] = conditions
        changes |= _reported(view, worker)
    else:
        reason = worker.reason or Reason.WAITING
        changes["conditions"] = view.condition(ConditionType.SCHEDULED, False, reason, worker.message)
    changed = view.changed(**changes)
    known = view.status.model_copy(update={"observed_generation": changed.observed_generation})
    return changed if changed != known else None


def _report(view: View, worker: Worker) -> Report | None:
    report = view.seen.report
    return report if report and (report.stage, report.attempt) == (view.stage, worker.attempt) else None


def _reported(view: View, worker: Worker) -> dict[str, object]:
    """How far the worker is, as changes: never backwards."""
    report = _report(view, worker)
    step: Step | DiarizeStep
    if report is None:
        step, percent = (Step.ANALYZING if view.stage is Stage.OPTIMIZE else DiarizeStep.LOADING), 0.0
    else:
        step, percent = report.step, report.percent
    mark = clamp_percent(step, percent)
    changes: dict[str, object] = {}
    if report and report.duration_seconds is not None and view.stage is Stage.OPTIMIZE:
        changes["duration_seconds"] = report.duration_seconds
    if mark > view.state.progress or view.state.step is None:
        changes |= {"step": step, "progress": mark}
    return changes


def back_off(view: View) -> Decision | None:
    """The last attempt failed and was counted: wait."""
    due = view.state.next_attempt_time
    if due is None or due <= view.now:
        return None
    return Decision(stop=view.stops(), requeue_after=due - view.now)


def wait_for_room(view: View) -> Decision | None:
    """As many diarizations run as may."""
    limit = view.policy.max_diarizations
    if view.stage is not Stage.DIARIZE or limit is None or view.seen.diarizations_ahead < limit:
        return None
    message = f"{limit} diarization(s) run already, the most that may."
    conditions = view.condition(ConditionType.SCHEDULED, False, Reason.WAITING, message)
    told = conditions == view.status.conditions
    due = _start_due(view)
    return Decision(
        status=None if told else view.changed(conditions=conditions),
        requeue_after=None if due is None else max(due - view.now, AT_ONCE),
    )


def launch(view: View) -> Decision | None:
    """Nothing works for this job: start the next attempt. A missing worker is no failure (an engine's restart)."""
    return Decision(launch_attempt=max(view.state.attempt, view.newest_attempt) + 1, launch_stage=view.stage)


Rule = Callable[[View], Decision | None]

RULES: tuple[Rule, ...] = (
    request,
    unavailable,
    cancel,
    refuse_source,
    finish,
    retry_or_fail,
    suspend,
    resume,
    start_deadline,
    stuck,
    adopt,
    advance,
    back_off,
    wait_for_room,
    launch,
)
"""In this order, for either stage. None sees a job that rests."""
