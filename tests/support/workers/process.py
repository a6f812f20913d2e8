"""A worker as a process of its own, which gets its token on standard input."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from support.workers.work_server import TOKEN

RUN_SECONDS = 60


@contextmanager
def running(command: Sequence[str], token: str | None = TOKEN) -> Iterator["subprocess.Popen[bytes]"]:
    """Starts a worker that lives no longer than the block. Without a token its standard input stays open and empty."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            if token is not None:
                process.stdin.write(token.encode() + b"\n")
                process.stdin.flush()
            yield process
        finally:
            process.kill()


def ended(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """Waits for the end, and returns the exit status and the last line of standard error."""
    assert process.stderr is not None
    code = process.wait(RUN_SECONDS)
    return code, (process.stderr.read().decode().strip().splitlines() or [""])[-1]
