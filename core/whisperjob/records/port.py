"""The port of the job records: SQLite implements it on one machine, WhisperJob resources implement it in a cluster.

One contract suite runs every implementation.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from whisperjob.model.resource import Spec, Status, WhisperJob


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
