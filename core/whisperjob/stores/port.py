"""The port every object store implements. Synchronous: callers on an event loop run it in a thread."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from whisperjob.model.protocol import ReadGrant, WriteGrant


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing shows it; `modified_at` in seconds since the epoch."""

    key: str
    size_bytes: int
    modified_at: float


class Readable(Protocol):
    """A stream of bytes. `read` blocks until it has `size` bytes or the end is reached, and raises if the sender
    vanished: an early end must never look like a whole object."""

    def read(self, size: int = -1, /) -> bytes: ...


class ObjectStore(Protocol):
    """Objects by key. Every method raises StoreUnavailableError when the store cannot be reached.

    An object is visible whole or not at all; keys are written once and never overwritten, but for pointers
    (`trim.json`), which `put` replaces atomically.
    """

    def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:
        """Stores the stream to its end and returns its size in bytes.

        Whatever `data.read` raises passes through, and nothing is kept. Raises StoreFullError when there is no room.
        """
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The object's bytes from `start`, in pieces. Raises ObjectNotFoundError before the first piece."""
        ...

    def stat(self, key: str) -> StoredObject | None: ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key begins with `prefix`, in order of key."""
        ...

    def delete(self, key: str) -> None:
        """Idempotent."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Deletes all objects below a prefix that ends in "/"; returns how many."""
        ...

    def grant_read(self, key: str, expires: timedelta) -> ReadGrant:
        """What lets a worker without credentials read this one object."""
        ...

    def grant_download(self, key: str, expires: timedelta, content_type: str, disposition: str) -> str | None:
        """An address that gives a client this one object, with these headers; None where clients reach no store."""
        ...

    def grant_write(self, prefix: str, expires: timedelta, max_object_bytes: int) -> WriteGrant:
        """What lets a worker without credentials write objects under `prefix`, and nothing else."""
        ...

    def sweep_unfinished(self, older_than: timedelta) -> int:
        """Removes what interrupted writes left invisible (temporary files, multipart uploads); returns how many."""
        ...

    def free_bytes(self) -> int | None:
        """Room left, None where that is not known."""
        ...

    def check(self) -> None:
        """Raises StoreUnavailableError if the store does not answer; cheap, for readiness."""
        ...


def read_all(store: ObjectStore, key: str, max_bytes: int) -> bytes:
    """A small object whole. Raises ValueError if it is longer than `max_bytes`."""
    data = bytearray()
    for piece in store.read(key, 0, max_bytes + 1):
        data += piece
    if len(data) > max_bytes:
        raise ValueError(f"{key} is longer than {max_bytes} bytes")
    return bytes(data)
