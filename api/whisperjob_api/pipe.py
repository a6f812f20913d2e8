"""A bounded pipe from the event loop, where an upload arrives, to the thread in which the store reads it.

The store's `put` is synchronous and takes a `Readable`; the body comes asynchronously. Little is held in between, so
a slow store slows the sender down, and an upload costs a few MB whatever its size. The reader hashes what it reads.

Both sides hold the interpreter's lock while they work, so each is woken for half of what fits, not for every piece.
"""

import asyncio
import hashlib
import threading
from collections import deque

from whisperjob.model.errors import WhisperJobError

CAPACITY_BYTES = 2 * 1024 * 1024


class SenderVanishedError(WhisperJobError):
    """The upload ended before its end; raised in the store's thread, so that nothing is kept."""


class Pipe:
    """One writer on the event loop, one reader in a thread. `read` is the store's side (stores.port.Readable)."""

    def __init__(self, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._capacity = capacity_bytes
        self._half = max(1, capacity_bytes // 2)
        self._loop = asyncio.get_running_loop()
        self._writable = asyncio.Event()
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._writer_waits = False
        self._finished = False
        self._broken = False
        self._abandoned = False
        self._digest = hashlib.sha256()

    async def write(self, data: bytes) -> bool:
        """Waits until there is room. False if the reader is gone: what it raised says why."""
        while True:
            with self._changed:
                if self._abandoned:
                    return False
                if self._held_bytes < self._capacity:
                    self._pieces.append(data)
                    self._held_bytes += len(data)
                    if self._held_bytes >= self._half:
                        self._changed.notify()
                    return True
                self._writable.clear()
                self._writer_waits = True
            await self._writable.wait()

    def finish(self) -> None:
        """The upload is whole."""
        with self._changed:
            self._finished = True
            self._changed.notify()

    def break_off(self) -> None:
        """The upload will never be whole: `read` raises from now on."""
        with self._changed:
            self._broken = True
            self._changed.notify()

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, fewer only at the end. Raises SenderVanishedError."""
        taken: list[bytes] = []
        missing = size
        while missing != 0 and (piece := self._next(missing)):
            taken.append(piece)
            missing -= len(piece) if size >= 0 else 0
            self._digest.update(piece)
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def readinto(self, buffer: memoryview, /) -> int:
        """As `read`, into memory that the reader keeps: a copy less. How much was read."""
        filled = 0
        while filled < len(buffer) and (piece := self._next(len(buffer) - filled)):
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._digest.update(piece)
        return filled

    def _next(self, at_most: int) -> bytes:
        with self._changed:
            if not self._pieces:
                while not (self._held_bytes >= self._half or self._finished or self._broken):
                    self._changed.wait()
            if self._broken:
                raise SenderVanishedError("the sender vanished")
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if 0 <= at_most < len(piece):
                self._pieces.appendleft(piece[at_most:])
                piece = piece[:at_most]
            self._held_bytes -= len(piece)
            if self._held_bytes <= self._half:
                self._wake_writer()
            return piece

    def abandon(self) -> None:
        """The reader will read no more; called in its thread when the store is done, well or not."""
        with self._changed:
            self._abandoned = True
            self._wake_writer()

    def _wake_writer(self) -> None:
        if self._writer_waits:
            self._writer_waits = False
            self._loop.call_soon_threadsafe(self._writable.set)

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._digest.hexdigest()
