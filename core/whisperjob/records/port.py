"""The port of the job records. SQLite implements it on one machine, WhisperJob resources implement it in a cluster.

One contract suite tests every implementation.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import ValidationError

from whisperjob.model.resource import Spec, Status, WhisperJob


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that cannot be read: it was damaged, edited, or written by another version. It stays as it is.

    `tenant` is None where not even that can be read. `why` is for the operator of the service: the field at fault.
    """

    name: str
    uid: str
    version: str
    tenant: str | None
    why: str


def say_why_unreadable(error: ValueError) -> str:
    """Writes why a record cannot be read: the first field at fault, and what is wrong with it."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg']}" if field else first["msg"]


@dataclass(frozen=True, slots=True)
class RecordPage:
    """A page of records, ordered by name. A watch may start at `version` once the last page was read."""

    items: tuple[WhisperJob, ...]
    version: str
    next_token: str | None
    unreadable: tuple[UnreadableRecord, ...] = ()


class ChangeKind(StrEnum):
    """The kinds of change, named as in Kubernetes watch events."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One change of one record."""

    kind: ChangeKind
    record: WhisperJob
    """The record after the change; for DELETED its last state."""


class JobRecords(Protocol):
    """The records of one namespace. Every method may raise RecordsUnavailableError."""

    @property
    def namespace(self) -> str:
        """The namespace of all records."""
        ...

    async def installation(self) -> str:
        """Returns the id of the installation: other records, or ones that begin anew, have another. A DNS label."""
        ...

    async def create(self, name: str, spec: Spec) -> WhisperJob:
        """Creates a record. Raises RecordExistsError, RecordInvalidError."""
        ...

    async def get(self, name: str) -> WhisperJob:
        """Returns the current record, not a cached one. Raises RecordNotFoundError, RecordUnreadableError."""
        ...

    async def list(self, limit: int = 500, token: str | None = None) -> RecordPage:
        """Returns the page after `token`, which is the `next_token` of the page before; without it the first page."""
        ...

    def watch(self, version: str) -> AsyncIterator[RecordChange]:
        """Yields every change after `version`, for ever. Raises WatchExpiredError if that version is too old.

        A change to a record that cannot be read ends it as well: the next listing names the record.
        The watch begins when the iteration begins, not when this is called.
        """
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
        """Deletes a record, also one that cannot be read.

        Raises RecordNotFoundError, also if the record of that name has another uid by now.
        """
        ...

    async def tombstones(self) -> tuple[WhisperJob, ...]:
        """Returns deleted records that `finalized` was not called for, where these records remember them."""
        ...

    async def finalized(self, uid: str) -> None:
        """Forgets a deleted record: nothing that belonged to it is left. Idempotent."""
        ...

    async def check(self) -> None:
        """Raises RecordsUnavailableError if the records do not answer. Cheap enough for readiness probes."""
        ...
