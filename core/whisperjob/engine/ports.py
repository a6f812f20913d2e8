"""What the engine needs from outside, besides job records and the object store: a launcher of workers, a verifier of
their tokens, and a recorder of events.

Embedded mode implements them with subprocesses and the log, the operator with batch/v1 Jobs and Kubernetes Events.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from whisperjob.deciding.decision import Event
from whisperjob.model.phase import Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.space import ScratchShare
from whisperjob.model.stages import stage_state
from whisperjob.model.workers import Worker


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt that is to be started.

    `name` is the worker's. It is derived from the job's uid, the stage and the attempt, so that starting it twice does
    no harm.
    """

    job: WhisperJob
    stage: Stage
    attempt: int
    name: str

    @property
    def more_memory(self) -> bool:
        """Whether an earlier attempt ran out of memory."""
        return stage_state(self.job, self.stage).out_of_memory


class Launcher(Protocol):
    """Starts and stops workers. Their changes come by `on_change`, and by `workers` at a resync."""

    def subscribe(self, on_change: Callable[[Worker], None]) -> None:
        """Calls `on_change` with every worker that has changed, on the event loop."""
        ...

    async def start(self, launch: Launch) -> Worker:
        """Starts a worker; returns one of that name as it is, if it exists already.

        It may be Pending for long: the launcher (or a scheduler) decides when there is room. Of one tenant the highest
        priority goes first.
        """
        ...

    async def stop(self, name: str) -> None:
        """Ends the worker and forgets it; it is gone within 10 s (2 s in embedded mode). Idempotent."""
        ...

    async def workers(self) -> tuple[Worker, ...]:
        """Returns all workers that exist, among them ended ones until they are stopped or expire."""
        ...


class EventRecorder(Protocol):
    """Records for people what happened to a job: Kubernetes Events, a log. Best effort: it never fails a job."""

    async def record(self, job: WhisperJob, event: Event) -> None:
        """Records the event, after the status that it speaks of was written. Does not raise."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """The attempt that a worker's token is bound to. `scratch` is None where the worker's disk is its own."""

    job_name: str
    job_uid: str
    stage: Stage
    attempt: int
    scratch: ScratchShare | None = field(default=None, compare=False)


class TokenVerifier(Protocol):
    """Finds out which attempt a token is bound to."""

    async def verify(self, token: str) -> WorkerIdentity | None:
        """Returns the attempt that this token was issued for, None if it was issued for none that lives.

        May raise a WhisperJobError where that cannot be found out now.
        """
        ...
