"""The worker of an attempt, as whoever started it sees it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from whisperjob.model.phase import Stage


class WorkerState(StrEnum):
    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def ended(self) -> bool:
        return self in (WorkerState.SUCCEEDED, WorkerState.FAILED)


@dataclass(frozen=True, slots=True)
class Worker:
    """A batch/v1 Job with its pod, or a subprocess.

    `reason` is a CamelCase word (a `Reason`, or what the scheduler says), `message` a sentence: why it is pending or
    why it failed. A failed worker is always the infrastructure's fault: a verdict on the input is a result, and the
    worker that left one has succeeded.
    """

    name: str
    job_name: str
    job_uid: str
    stage: Stage
    attempt: int
    state: WorkerState
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    message: str = ""
    deadline_exceeded: bool = False
    """It was ended because its run took too long."""
    out_of_memory: bool = False
    """It failed, and more memory may help."""
    stopping: bool = False
    """It is on its way out; stopping it again changes nothing."""
