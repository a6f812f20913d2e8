"""The pipe between the event loop and the store's thread."""

import asyncio
import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_api.upload_pipe import UploadAbortedError, UploadPipe


def read(pipe: UploadPipe, size: int) -> bytes:
    return pipe.read(size)


def fill(pipe: UploadPipe, size: int) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: pipe.readinto(memoryview(buffer))])


async def pass_through(
    pieces: list[bytes], read_size: int, capacity: int, read: Callable[[UploadPipe, int], bytes] = read
) -> list[bytes]:
    pipe = UploadPipe(capacity)

    def read_all() -> list[bytes]:
        taken = []
        while piece := read(pipe, read_size):
            taken.append(piece)
        return taken

    reading = asyncio.create_task(asyncio.to_thread(read_all))
    for piece in pieces:
        assert await pipe.write(piece)
    pipe.finish()
    taken = await reading
    assert pipe.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    return taken


@pytest.mark.parametrize("read", [read, fill])
@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 70), st.integers(1, 100))
def test_what_goes_in_comes_out_in_full_reads(
    read: Callable[[UploadPipe, int], bytes], pieces: list[bytes], read_size: int, capacity: int
) -> None:
    taken = asyncio.run(pass_through(pieces, read_size, capacity, read))
    assert b"".join(taken) == b"".join(pieces)
    assert all(len(piece) == read_size for piece in taken[:-1])


async def test_a_read_without_a_size_returns_everything() -> None:
    assert await pass_through([b"ab", b"cd"], -1, 10) == [b"abcd"]


@pytest.mark.parametrize("read", [read, fill])
async def test_an_aborted_pipe_raises_even_for_buffered_bytes(read: Callable[[UploadPipe, int], bytes]) -> None:
    pipe = UploadPipe()
    await pipe.write(b"held")
    reading = asyncio.create_task(asyncio.to_thread(read, pipe, 100))
    pipe.abort()
    with pytest.raises(UploadAbortedError):
        await reading


async def test_the_writer_waits_for_room_and_learns_that_the_reader_is_gone() -> None:
    pipe = UploadPipe(capacity_bytes=10)
    assert await pipe.write(bytes(10))
    waiting = asyncio.create_task(pipe.write(b"more"))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await asyncio.to_thread(pipe.close)
    assert not await waiting
