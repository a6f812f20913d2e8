"""Which attempts go before another, where only so many may run at a time: those that run, and those first in order."""

from collections.abc import Iterable
from datetime import UTC, datetime

from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import ActiveWork, active_stage, stage_state

_LAST = datetime.max.replace(tzinfo=UTC)
_Rank = tuple[int, datetime, str]


def attempts_ahead(work: ActiveWork, jobs: Iterable[WhisperJob], workers: WorkerIndex) -> int:
    """Counts other jobs with work at the same stage that have a worker, or that wait and come first. Pure.

    Jobs that wait are ordered by priority, then by the time of their request.
    """
    rank = _rank(work)
    others = (job for job in jobs if job.uid != work.job.uid and active_stage(job) is work.stage)
    return sum(_has_worker(job, work.stage, workers) or _comes_before(job, work.stage, rank) for job in others)


def _has_worker(job: WhisperJob, stage: Stage, workers: WorkerIndex) -> bool:
    return any(w.stage is stage and not w.state.ended for w in workers.of(job.uid))


def _comes_before(job: WhisperJob, stage: Stage, rank: _Rank) -> bool:
    work = ActiveWork(job, stage, stage_state(job, stage))
    return _may_start(work) and _rank(work) < rank


def _may_start(work: ActiveWork) -> bool:
    """A job that is suspended, or backs off after a failure, lets others go first."""
    return not work.job.spec.suspend and work.state.next_attempt_time is None


def _rank(work: ActiveWork) -> _Rank:
    return (-work.job.spec.priority, work.state.request_time or _LAST, work.job.uid)
