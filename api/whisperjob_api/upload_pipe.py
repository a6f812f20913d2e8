"""A bounded pipe from the event loop, where an upload arrives, to the thread in which the store reads it.

The store's `put` is synchronous and takes a `Readable`; the body arrives asynchronously. Little is buffered in between,
so a slow store slows the sender down, and an upload costs a few MB whatever its size. The reader hashes what it reads.

Both sides hold the interpreter's lock while they work, so each side is woken for half of the capacity, not for every
piece.
"""

import asyncio
import hashlib
import threading
from collections import deque

from whisperjob.model.errors import WhisperJobError

CAPACITY_BYTES = 2 * 1024 * 1024


class UploadAbortedError(WhisperJobError):
    """The upload ended before its last byte. It is raised in the store's thread, so that nothing is stored."""


class UploadPipe:
    """One writer on the event loop, one reader in a thread. `read` makes it a `stores.port.Readable`."""

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._half = max(1, capacity_bytes // 2)
        self._loop = asyncio.get_running_loop()
        self._writable = asyncio.Event()
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._buffered_bytes = 0
        self._writer_waits = False
        self._finished = False
        self._aborted = False
        self._closed = False
        self._digest = hashlib.sha256()

    async def write(self, data: bytes) -> bool:
        """Waits until there is room, and writes. Returns False if the reader is gone; its own error has the reason."""
        while True:
            with self._changed:
                if self._closed:
                    return False
                if self._buffered_bytes < self._capacity:
                    self._pieces.append(data)
                    self._buffered_bytes += len(data)
                    if self._buffered_bytes >= self._half:
                        self._changed.notify()
                    return True
                self._writable.clear()
                self._writer_waits = True
            await self._writable.wait()

    def finish(self) -> None:
        """Marks the end of a whole upload. The writer calls it."""
        with self._changed:
            self._finished = True
            self._changed.notify()

    def abort(self) -> None:
        """Marks the upload as incomplete: `read` raises from now on. The writer calls it."""
        with self._changed:
            self._aborted = True
            self._changed.notify()

    def read(self, size: int = -1, /) -> bytes:
        """Returns up to `size` bytes, fewer only at the end. Raises UploadAbortedError."""
        pieces: list[bytes] = []
        missing = size
        while missing != 0 and (piece := self._next(missing)):
            pieces.append(piece)
            missing -= len(piece) if size >= 0 else 0
            self._digest.update(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: memoryview, /) -> int:
        """Reads into the reader's own memory, which saves a copy; returns the number of bytes."""
        filled = 0
        while filled < len(buffer) and (piece := self._next(len(buffer) - filled)):
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._digest.update(piece)
        return filled

    def _next(self, max_bytes: int) -> bytes:
        with self._changed:
            if not self._pieces:
                while not (self._buffered_bytes >= self._half or self._finished or self._aborted):
                    self._changed.wait()
            if self._aborted:
                raise UploadAbortedError("the sender vanished")
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if 0 <= max_bytes < len(piece):
                self._pieces.appendleft(piece[max_bytes:])
                piece = piece[:max_bytes]
            self._buffered_bytes -= len(piece)
            if self._buffered_bytes <= self._half:
                self._wake_writer()
            return piece

    def close(self) -> None:
        """Ends the reading: `write` returns False from now on. The reader's thread calls it when the store is done."""
        with self._changed:
            self._closed = True
            self._wake_writer()

    def _wake_writer(self) -> None:
        if self._writer_waits:
            self._writer_waits = False
            self._loop.call_soon_threadsafe(self._writable.set)

    @property
    def sha256(self) -> str:
        """The hexadecimal SHA-256 of everything that was read so far."""
        return self._digest.hexdigest()
