"""What an upload costs in memory, measured on a server process of its own."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.api.raw_http import connected, upload_head

MIB = 1024 * 1024
FILE_BYTES = 300 * MIB
LIMIT_BYTES = 64 * MIB
PIECE = os.urandom(MIB)

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to measure memory")


@asynccontextmanager
async def api_process(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Its port and process id."""
    pipe = asyncio.subprocess.PIPE
    paths = os.pathsep.join(path for path in sys.path if path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.api.process", str(folder),
        stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(await asyncio.wait_for(process.stdout.readline(), 30)), process.pid
    finally:
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 30)


def peak_bytes(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


async def test_a_large_upload_costs_little_memory_and_no_disk_but_the_stores(tmp_path: Path) -> None:
    head = b'--cutHere\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    tail = b"\r\n--cutHere--\r\n"
    async with api_process(tmp_path) as (port, pid):
        async with connected(port) as client:  # the first small one loads what is loaded late
            await client.send(upload_head(len(head) + 5 + len(tail)) + head + b"hello" + tail)
            assert (await client.answer()).status == 202
        before = peak_bytes(pid)
        async with connected(port) as client:
            await client.send(upload_head(len(head) + FILE_BYTES + len(tail)) + head)
            for _ in range(FILE_BYTES // MIB):
                await client.send(PIECE)
            await client.send(tail)
            assert (await client.answer(60)).status == 202
        assert peak_bytes(pid) - before < LIMIT_BYTES
    stored_sizes = sorted(file.stat().st_size for file in (tmp_path / "store").rglob("*") if file.is_file())
    assert stored_sizes == [5, FILE_BYTES]
