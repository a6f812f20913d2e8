"""The port that every object store implements. It is synchronous: callers on an event loop run it in a thread."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from whisperjob.model.protocol import ReadGrant, WriteGrant


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing shows it. `modified_at` is in seconds since the epoch."""

    key: str
    size_bytes: int
    modified_at: float


class Readable(Protocol):
    """A stream of bytes that a store can put."""

    def read(self, size: int = -1, /) -> bytes:
        """Blocks until there are `size` bytes or the end is reached.

        It raises if the sender vanished, because an early end must never look like a whole object.
        """
        ...


class ObjectStore(Protocol):
    """Objects by key. Every method raises StoreUnavailableError when the store cannot be reached.

    An object is visible whole or not at all. A key is written once and never overwritten, except for pointers
    (`trim.json`), which `put` replaces atomically.
    """

    def put(self, key: str, data: Readable, *, content_type: str = "application/octet-stream") -> int:
        """Stores the stream to its end and returns its size in bytes.

        Errors of `data.read` pass through, and then nothing is stored. Raises StoreFullError when there is no room.
        """
        ...

    def read(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Returns the object's bytes from `start`, in pieces. Raises ObjectNotFoundError before the first piece."""
        ...

    def stat(self, key: str) -> StoredObject | None:
        """Returns the object, or None if it does not exist."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yields all objects whose key begins with `prefix`, in the order of their keys."""
        ...

    def delete(self, key: str) -> None:
        """Deletes an object. Idempotent."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Deletes all objects below a prefix that ends in "/"; returns their number."""
        ...

    def grant_read(self, key: str, expires: timedelta) -> ReadGrant:
        """Returns what lets a worker without credentials read this one object."""
        ...

    def grant_download(self, key: str, expires: timedelta, content_type: str, disposition: str) -> str | None:
        """Returns an address from which a client gets this one object, with these headers.

        Returns None where clients cannot reach the store.
        """
        ...

    def grant_write(self, prefix: str, expires: timedelta, max_object_bytes: int) -> WriteGrant:
        """Returns what lets a worker without credentials write objects under `prefix`, and nothing else."""
        ...

    def sweep_unfinished(self, older_than: timedelta, *, below: tuple[str, ...] = ("",)) -> int:
        """Removes what interrupted writes left behind (temporary files, multipart uploads); returns the number.

        Only writes of keys below one of these prefixes are removed, where the store knows the key of an unfinished one.
        """
        ...

    def free_bytes(self) -> int | None:
        """Returns the free space, or None where that is not known."""
        ...

    def check(self) -> None:
        """Raises StoreUnavailableError if the store does not answer. Cheap enough for readiness probes."""
        ...


def read_all(store: ObjectStore, key: str, max_bytes: int) -> bytes:
    """Reads a small object. Raises ValueError if it is longer than `max_bytes`, and what `ObjectStore.read` raises."""
    data = bytearray()
    for piece in store.read(key, 0, max_bytes + 1):
        data += piece
    if len(data) > max_bytes:
        raise ValueError(f"{key} is longer than {max_bytes} bytes")
    return bytes(data)
