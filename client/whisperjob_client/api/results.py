"""When a job or a diarization has ended, and with which result. Pure."""

from whisperjob_client.errors import BadAnswerError, DiarizationFailedError, JobFailedError
from whisperjob_client.models import Diarization, DiarizationResult, Job


def job_state(job: Job) -> object:
    """Returns what differs between two answers when a watcher should be notified."""
    return job.status, job.step, job.progress, job.duration


def job_ended(job: Job) -> bool:
    return job.ended


def diarization_state(diarization: Diarization) -> object:
    """Returns what differs between two answers when a watcher should be notified."""
    return diarization.status, diarization.progress, diarization.waiting_for


def diarization_ended(diarization: Diarization) -> bool:
    return diarization.status != "running"


def job_result(job: Job) -> Job:
    """Returns the job, unless it failed: then it raises JobFailedError."""
    if job.status == "error":
        raise JobFailedError(job.job_id, job.error_code or "internal", job.error or "The job failed.")
    return job


def diarization_result(diarization: Diarization) -> DiarizationResult:
    """Returns the result. Raises DiarizationFailedError, or BadAnswerError if a completed diarization has none."""
    if diarization.status == "error":
        message = diarization.error or "The diarization failed."
        raise DiarizationFailedError(diarization.job_id, diarization.error_code or "diarization_failed", message)
    if diarization.result is None:
        raise BadAnswerError("The service says that the diarization is completed, and gives no result.")
    return diarization.result
