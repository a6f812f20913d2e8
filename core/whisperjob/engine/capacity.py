"""Which attempts go before another, where only so many may run at a time: those that run, and those first in order."""

from collections.abc import Iterable
from datetime import UTC, datetime

from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.stages import active_stage, stage_state

_LAST = datetime.max.replace(tzinfo=UTC)


def attempts_ahead(job: WhisperJob, stage: Stage, jobs: Iterable[WhisperJob], workers: WorkerIndex) -> int:
    """Counts other jobs whose active stage is `stage`, and that have a worker, or wait and come first. Pure.

    Jobs that wait are ordered by priority, then by the time of their request.
    """
    own_rank = _rank(job, stage)
    return sum(
        1
        for other in jobs
        if other.uid != job.uid
        and active_stage(other) is stage
        and (_has_worker(other, stage, workers) or (_may_start(other, stage) and _rank(other, stage) < own_rank))
    )


def _has_worker(job: WhisperJob, stage: Stage, workers: WorkerIndex) -> bool:
    return any(w.stage is stage and not w.state.ended for w in workers.of(job.uid))


def _may_start(job: WhisperJob, stage: Stage) -> bool:
    """A job that is suspended, or backs off after a failure, lets others go first."""
    return not job.spec.suspend and stage_state(job, stage).next_attempt_time is None


def _rank(job: WhisperJob, stage: Stage) -> tuple[int, datetime, str]:
    request_time = stage_state(job, stage).request_time
    return (-job.spec.priority, request_time or _LAST, job.uid)
