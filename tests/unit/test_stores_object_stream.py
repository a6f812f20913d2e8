"""An opened object is closed exactly once, whatever its reader does."""

import io
from collections.abc import Callable

import pytest

from whisperjob.stores.object_stream import PIECE_BYTES, ObjectStream


class Opened:
    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.closed = 0

    def stream(self, length: int | None = None) -> ObjectStream:
        return ObjectStream(self._data.read, self._close, length)

    def _close(self) -> None:
        self.closed += 1


def to_the_end(stream: ObjectStream) -> None:
    assert b"".join(stream) == b"abc"
    assert next(stream, None) is None


def never_started(stream: ObjectStream) -> None:
    pass


def dropped_midway(stream: ObjectStream) -> None:
    next(stream)


def closed_midway(stream: ObjectStream) -> None:
    with stream:
        next(stream)
    assert next(stream, None) is None


@pytest.mark.parametrize("use", [to_the_end, never_started, dropped_midway, closed_midway])
def test_closed_exactly_once(use: Callable[[ObjectStream], None]) -> None:
    opened = Opened(b"abc")
    use(opened.stream())
    assert opened.closed == 1


def test_closed_when_reading_fails() -> None:
    opened = Opened(b"")

    def fail(size: int) -> bytes:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        next(ObjectStream(fail, opened._close))
    assert opened.closed == 1


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES, None])
def test_yields_at_most_the_length(length: int | None) -> None:
    data = bytes(range(256)) * (3 * PIECE_BYTES // 256)
    pieces = list(Opened(data).stream(length))
    assert b"".join(pieces) == data[:length]
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
