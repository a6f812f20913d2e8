"""The pipe between the event loop and the store's thread."""

import asyncio
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_api.pipe import Pipe, SenderVanishedError


async def pass_through(pieces: list[bytes], read_size: int, capacity: int) -> list[bytes]:
    pipe = Pipe(capacity)

    def read_all() -> list[bytes]:
        taken = []
        while piece := pipe.read(read_size):
            taken.append(piece)
        return taken

    reading = asyncio.create_task(asyncio.to_thread(read_all))
    for piece in pieces:
        assert await pipe.write(piece)
    pipe.finish()
    taken = await reading
    assert pipe.sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()
    return taken


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.integers(1, 70), st.integers(1, 100))
def test_what_goes_in_comes_out_in_full_reads(pieces: list[bytes], read_size: int, capacity: int) -> None:
    taken = asyncio.run(pass_through(pieces, read_size, capacity))
    assert b"".join(taken) == b"".join(pieces)
    assert all(len(piece) == read_size for piece in taken[:-1])


async def test_a_reader_that_asks_for_all_gets_all() -> None:
    assert await pass_through([b"ab", b"cd"], -1, 10) == [b"abcd"]


async def test_a_broken_pipe_raises_even_for_what_is_held() -> None:
    pipe = Pipe()
    await pipe.write(b"held")
    reading = asyncio.create_task(asyncio.to_thread(pipe.read, 100))
    pipe.break_off()
    with pytest.raises(SenderVanishedError):
        await reading


async def test_the_writer_waits_for_room_and_learns_that_nobody_reads() -> None:
    pipe = Pipe(capacity_bytes=10)
    assert await pipe.write(bytes(10))
    waiting = asyncio.create_task(pipe.write(b"more"))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    await asyncio.to_thread(pipe.abandon)
    assert not await waiting
