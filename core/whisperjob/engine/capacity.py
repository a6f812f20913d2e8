"""Which attempts go before another, where only so many may run at a time: those that run, and those first in order."""

from collections.abc import Iterable
from datetime import UTC, datetime

from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import ActiveWork, active_work

_LAST = datetime.max.replace(tzinfo=UTC)


def attempts_ahead(work: ActiveWork, jobs: Iterable[WhisperJob], workers: WorkerIndex) -> int:
    """Counts other jobs with work at the same stage that have a worker, or that wait and come first. Pure.

    Jobs that wait are ordered by priority, then by the time of their request.
    """
    others = (active_work(job) for job in jobs if job.uid != work.job.uid)
    return sum(
        1
        for other in others
        if other is not None
        and other.stage is work.stage
        and (_has_worker(other, workers) or (_may_start(other) and _rank(other) < _rank(work)))
    )


def _has_worker(work: ActiveWork, workers: WorkerIndex) -> bool:
    return any(w.stage is work.stage and not w.state.ended for w in workers.of(work.job.uid))


def _may_start(work: ActiveWork) -> bool:
    """A job that is suspended, or backs off after a failure, lets others go first."""
    return not work.job.spec.suspend and work.state.next_attempt_time is None


def _rank(work: ActiveWork) -> tuple[int, datetime, str]:
    return (-work.job.spec.priority, work.state.request_time or _LAST, work.job.uid)
