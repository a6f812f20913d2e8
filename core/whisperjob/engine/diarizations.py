"""How many diarizations go before one: so many may run at a time, and those that wait have an order."""

from collections.abc import Iterable
from datetime import UTC, datetime

from whisperjob.deciding.view import active_stage
from whisperjob.engine.worker_index import WorkerIndex
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob

_LAST = datetime.max.replace(tzinfo=UTC)


def diarizations_ahead(job: WhisperJob, jobs: Iterable[WhisperJob], workers: WorkerIndex) -> int:
    """Other jobs' diarizations that have a worker, or that wait and go first: by priority, then by age. Pure."""
    ours = _rank(job)
    return sum(
        1
        for other in jobs
        if other.uid != job.uid
        and active_stage(other) is Stage.DIARIZE
        and (_has_worker(other, workers) or (_may_start(other) and _rank(other) < ours))
    )


def _has_worker(job: WhisperJob, workers: WorkerIndex) -> bool:
    return any(c.stage is Stage.DIARIZE and not c.state.ended for c in workers.of(job.uid))


def _may_start(job: WhisperJob) -> bool:
    """One that is suspended, or backs off after a failure, lets others go first."""
    state = job.status.diarization
    return not job.spec.suspend and (state is None or state.next_attempt_time is None)


def _rank(job: WhisperJob) -> tuple[int, datetime, str]:
    state = job.status.diarization
    asked = state.request_time if state and state.request_time else _LAST
    return (-job.spec.priority, asked, job.uid)
