"""What the engine needs from the outside: job records, a launcher of workers, a verifier of their tokens.

Embedded mode implements them with SQLite and subprocesses, the operator with WhisperJob resources and batch/v1 Jobs;
one contract suite runs both.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from whisperjob.model.children import Child
from whisperjob.model.decision import Event
from whisperjob.model.phase import Stage
from whisperjob.model.resource import Spec, Status, WhisperJob
from whisperjob.model.view import stage_state


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of records, in order of name. `version` is where a watch may start once the last page was read."""

    items: tuple[WhisperJob, ...]
    version: str
    next_token: str | None


class ChangeKind(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class RecordChange:
    kind: ChangeKind
    record: WhisperJob
    """As it is after the change; for DELETED as it last was."""


class JobRecords(Protocol):
    """The records of one namespace. Every method may raise RecordsUnavailableError."""

    @property
    def namespace(self) -> str: ...

    async def create(self, name: str, spec: Spec) -> WhisperJob:
        """Creates if absent. Raises RecordExistsError, RecordInvalidError."""
        ...

    async def get(self, name: str) -> WhisperJob:
        """The live record, not a cached one. Raises RecordNotFoundError."""
        ...

    async def list(self, limit: int = 500, token: str | None = None) -> RecordPage: ...

    def watch(self, version: str) -> AsyncIterator[RecordChange]:
        """Every change after `version`, for ever. Raises WatchExpiredError if that is too long ago.

        `version` is taken when iteration begins, not when this is called."""
        ...

    async def patch_spec(self, name: str, spec: Spec, version: str | None = None) -> WhisperJob:
        """Replaces the mutable part of the spec.

        Raises RecordNotFoundError, RecordConflictError (if `version` is given and stale), RecordInvalidError.
        """
        ...

    async def patch_status(self, name: str, status: Status, version: str) -> WhisperJob:
        """Replaces the status. Raises RecordNotFoundError, RecordConflictError, RecordInvalidError."""
        ...

    async def delete(self, name: str, uid: str | None = None) -> None:
        """Raises RecordNotFoundError, also if the record of that name has another uid by now."""
        ...

    async def check(self) -> None:
        """Raises RecordsUnavailableError if the records do not answer; cheap, for readiness."""
        ...


@dataclass(frozen=True, slots=True)
class Launch:
    """One attempt to be started."""

    job: WhisperJob
    stage: Stage
    attempt: int
    name: str
    """The child's; derived from the job's uid, stage and attempt, so that starting twice is harmless."""

    @property
    def more_memory(self) -> bool:
        """An earlier attempt ran out of memory."""
        return stage_state(self.job, self.stage).out_of_memory


class Launcher(Protocol):
    """Starts and stops workers. What became of them comes by `on_change`, and by `children` at a resync."""

    def subscribe(self, on_change: Callable[[Child], None]) -> None:
        """Calls back, on the event loop, with every child that changed."""
        ...

    async def start(self, launch: Launch) -> Child:
        """Idempotent: a child of that name that exists already is returned as it is.

        It may be Pending for long: the launcher (a scheduler) decides when there is room, higher priority first.
        """
        ...

    async def stop(self, name: str) -> None:
        """Ends the child and forgets it; gone within 10 s (2 s embedded). Idempotent."""
        ...

    async def children(self) -> tuple[Child, ...]:
        """All children that exist, ended ones among them until they are stopped or expire."""
        ...


class EventTeller(Protocol):
    """Tells people what happened to a job (Kubernetes Events, a log). Best effort: it never fails a job."""

    async def tell(self, job: WhisperJob, event: Event) -> None:
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
