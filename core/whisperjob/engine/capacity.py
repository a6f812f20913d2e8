"""Which attempts go before another, where only so many may run at a time: those that run, and those first in order."""

from collections.abc import Iterable
from datetime import UTC, datetime

from whisperjob.deciding.fair_share import FairShare, Waiting
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import ActiveWork, active_stage, stage_state

_LAST = datetime.max.replace(tzinfo=UTC)


def attempts_ahead(
    work: ActiveWork, jobs: Iterable[WhisperJob], workers: WorkerIndex, share: FairShare, now: float
) -> int:
    """Counts other jobs with work at the same stage that have a worker, or that wait and come first.

    `share` is that of the stage, and `now` is in seconds of a monotonic clock.
    """
    running: dict[str, str] = {}
    waiting = [_to_waiting(work)]
    for job in jobs:
        if job.uid == work.job.uid or active_stage(job) is not work.stage:
            continue
        if _has_worker(job, work.stage, workers):
            running[job.uid] = job.spec.tenant
        elif _may_start(other := ActiveWork(job, work.stage, stage_state(job, work.stage))):
            waiting.append(_to_waiting(other))
    order = share.order(waiting, running, now)
    before = next(place for place, one in enumerate(order) if one.name == work.job.uid)
    return len(running) + before


def tenant_attempts_ahead(work: ActiveWork, jobs: Iterable[WhisperJob], workers: WorkerIndex) -> int:
    """Counts other jobs of the tenant that have a worker, or that wait for the same stage and come first. Pure."""
    ahead = 0
    for job in jobs:
        if job.spec.tenant != work.job.spec.tenant or job.uid == work.job.uid or active_stage(job) is None:
            continue
        ahead += comes_before(job, work) or any(not worker.state.ended for worker in workers.of(job.uid))
    return ahead


def comes_before(job: WhisperJob, work: ActiveWork) -> bool:
    """Returns whether another job of the same tenant waits for the same stage and comes first."""
    if active_stage(job) is not work.stage:
        return False
    other = ActiveWork(job, work.stage, stage_state(job, work.stage))
    return _may_start(other) and _rank_in_tenant(other) < _rank_in_tenant(work)


def _rank_in_tenant(work: ActiveWork) -> tuple[int, datetime, str]:
    job = work.job
    return -job.spec.priority, work.state.request_time or job.metadata.creation_timestamp, job.uid


def _has_worker(job: WhisperJob, stage: Stage, workers: WorkerIndex) -> bool:
    return any(w.stage is stage and not w.state.ended for w in workers.of(job.uid))


def _may_start(work: ActiveWork) -> bool:
    """A job that is suspended, or backs off after a failure, lets others go first."""
    return not work.job.spec.suspend and work.state.next_attempt_time is None


def _to_waiting(work: ActiveWork) -> Waiting:
    spec = work.job.spec
    return Waiting(work.job.uid, spec.tenant, spec.priority, work.state.request_time or _LAST)
