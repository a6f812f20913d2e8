"""The worker of an attempt, as its launcher observes it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from whisperjob.model.phase import Stage


class WorkerState(StrEnum):
    """Whether a worker waits, runs or has ended."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def ended(self) -> bool:
        """Whether the worker has ended, well or badly."""
        return self in (WorkerState.SUCCEEDED, WorkerState.FAILED)


@dataclass(frozen=True, slots=True)
class Worker:
    """A batch/v1 Job with its pod, or a subprocess.

    `reason` is a CamelCase word (a `Reason`, or one of the scheduler's), `message` a sentence: why it is pending, or
    why it failed. A failed worker is never known to be the fault of the input: a verdict on the input is a result, and
    the worker that left it has succeeded. `machine_fault` says that it is known to be the machine's.

    `deadline_exceeded` says that it was ended because it ran too long, `out_of_memory` that it failed and that more
    memory may help. `stopping` says that it is being stopped already, so that stopping it again changes nothing.
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
    out_of_memory: bool = False
    machine_fault: bool = False
    stopping: bool = False
