"""An opened object is closed once, whatever its reader does."""

import io
from collections.abc import Callable

import pytest

from whisperjob.stores.object_stream import PIECE_BYTES, Pieces


class Opened:
    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)
        self.closed = 0

    def pieces(self, length: int | None = None) -> Pieces:
        return Pieces(self._data.read, self._close, length)

    def _close(self) -> None:
        self.closed += 1


def to_the_end(pieces: Pieces) -> None:
    assert b"".join(pieces) == b"abc"
    assert next(pieces, None) is None


def never_started(pieces: Pieces) -> None:
    pass


def dropped_midway(pieces: Pieces) -> None:
    next(pieces)


def closed_midway(pieces: Pieces) -> None:
    with pieces:
        next(pieces)
    assert next(pieces, None) is None


@pytest.mark.parametrize("use", [to_the_end, never_started, dropped_midway, closed_midway])
def test_closed_exactly_once(use: Callable[[Pieces], None]) -> None:
    opened = Opened(b"abc")
    use(opened.pieces())
    assert opened.closed == 1


def test_closed_when_reading_fails() -> None:
    opened = Opened(b"")

    def fail(size: int) -> bytes:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        next(Pieces(fail, opened._close))
    assert opened.closed == 1


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES, None])
def test_gives_what_there_is_up_to_the_length(length: int | None) -> None:
    data = bytes(range(256)) * (3 * PIECE_BYTES // 256)
    pieces = list(Opened(data).pieces(length))
    assert b"".join(pieces) == data[:length]
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
