"""An opened object that is read piece by piece.

It is closed at its end, on an error, and when its reader drops it. A generator would not do: one that was never
started does not run its `finally`, so the file or connection behind it would stay open.
"""

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

PIECE_BYTES: Final = 1024 * 1024
"""Large enough that a 500 MB download costs hundreds of calls, not thousands; small enough for many at a time."""


class ObjectStream(Iterator[bytes]):
    """Yields what `read` returns until that is empty or `length` bytes were read, then calls `close` once."""

    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None], length: int | None = None) -> None:
        self._read = read
        self._close: Callable[[], None] | None = close
        self._remaining = length

    def __next__(self) -> bytes:
        size = PIECE_BYTES if self._remaining is None else min(PIECE_BYTES, self._remaining)
        if self._close is None or size == 0:
            self.close()
            raise StopIteration
        try:
            piece = self._read(size)
        except BaseException:
            self.close()
            raise
        if not piece:
            self.close()
            raise StopIteration
        if self._remaining is not None:
            self._remaining -= len(piece)
        return piece

    def close(self) -> None:
        """Closes the object. Idempotent."""
        close, self._close = self._close, None
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
