"""What the engine needs from outside, besides job records and the object store: a launcher of workers, a verifier of
their tokens, and a recorder of events.

Embedded mode implements them with subprocesses and the log, the operator with batch/v1 Jobs and Kubernetes Events.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from whisperjob.deciding.decision import Event
from whisperjob.deciding.view import stage_state
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.workers import Worker


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt to be started."""

    job: WhisperJob
    stage: Stage
    attempt: int
    name: str
    """The worker's; derived from the job's uid, stage and attempt, so that starting twice is harmless."""

    @property
    def more_memory(self) -> bool:
        """An earlier attempt ran out of memory."""
        return stage_state(self.job, self.stage).out_of_memory


class Launcher(Protocol):
    """Starts and stops workers. What became of them comes by `on_change`, and by `workers` at a resync."""

    def subscribe(self, on_change: Callable[[Worker], None]) -> None:
        """Calls back, on the event loop, with every worker that changed."""
        ...

    async def start(self, launch: Launch) -> Worker:
        """Idempotent: a worker of that name that exists already is returned as it is.

        It may be Pending for long: the launcher (a scheduler) decides when there is room, higher priority first.
        """
        ...

    async def stop(self, name: str) -> None:
        """Ends the worker and forgets it; gone within 10 s (2 s embedded). Idempotent."""
        ...

    async def workers(self) -> tuple[Worker, ...]:
        """All workers that exist, ended ones among them until they are stopped or expire."""
        ...


class EventRecorder(Protocol):
    """Tells people what happened to a job (Kubernetes Events, a log). Best effort: it never fails a job."""

    async def record(self, job: WhisperJob, event: Event) -> None:
        """Called after the status that the event speaks of was written. Does not raise."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Which attempt a worker's token is bound to."""

    job_name: str
    job_uid: str
    stage: Stage
    attempt: int


class TokenVerifier(Protocol):
    async def verify(self, token: str) -> WorkerIdentity | None:
        """The attempt this token was issued for, None if it was issued for none that lives.

        May raise a WhisperJobError where that cannot be told now."""
        ...
