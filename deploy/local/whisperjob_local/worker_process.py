"""Runs one worker as a process group of its own, ends it in time, and leaves no process of it behind."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self

TERM_GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL. Both together must take less than the 2 s that the ffmpeg of a deleted job may run on."""

_STDERR_TAIL_BYTES = 8192
_STDERR_LINGER_SECONDS = 0.5
_INHERITED_VARIABLES = frozenset(
    {
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "LD_LIBRARY_PATH",
        "PATH",
        "PYTHONPATH",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TZ",
    }
)
"""The variables that a worker inherits. It must not see the others, such as store credentials and API keys."""


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the part of an environment that a worker inherits."""
    return {name: value for name, value in environment.items() if name in _INHERITED_VARIABLES}


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended. `exit_code` is negative after a signal, as in `subprocess`."""

    exit_code: int
    stderr_tail: str
    deadline_exceeded: bool


class WorkerProcess:
    """A running worker.

    Its standard input first carries the token, then stays open as its lifeline: when this process dies, for whatever
    reason, the worker reads the end of its input and ends itself.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail = bytearray()
        self._reader = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, argv: Sequence[str], scratch: Path, environment: Mapping[str, str] | None = None) -> Self:
        """Starts the program, which waits for its token. Raises OSError if it cannot be started."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=scratch,
            env={**worker_environment(os.environ), "TMPDIR": str(scratch), **(environment or {})},
            start_new_session=True,
        )
        return cls(process)

    @property
    def is_running(self) -> bool:
        """It is True until the process has ended."""
        return self._process.returncode is None

    async def send_token(self, token: str) -> None:
        """Sends the token, upon which the worker starts its work. To be called once."""
        if self._process.stdin is None:  # impossible: it is a pipe
            raise OSError("the worker has no standard input")
        with suppress(ConnectionError):  # it has died already; `wait` returns how
            self._process.stdin.write(token.encode() + b"\n")
            await self._process.stdin.drain()

    async def wait(self, limit: timedelta) -> WorkerEnd:
        """Waits until the worker has ended. It is terminated when it runs longer than `limit`."""
        exceeded = False
        try:
            await asyncio.wait_for(self._process.wait(), limit.total_seconds())
        except TimeoutError:
            exceeded = True
            await self.terminate()
        self._signal(signal.SIGKILL)  # processes that it left behind in its group
        return WorkerEnd(await self._process.wait(), await self._stderr_tail(), exceeded)

    async def terminate(self) -> None:
        """Sends SIGTERM, after a moment SIGKILL, and returns when the worker is gone. It may be gone already."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), TERM_GRACE_SECONDS)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _read_stderr(self) -> None:
        if self._process.stderr is None:
            return
        while data := await self._process.stderr.read(65_536):
            self._tail += data
            del self._tail[:-_STDERR_TAIL_BYTES]

    async def _stderr_tail(self) -> str:
        with suppress(TimeoutError):  # a process that left the group may keep the pipe open
            await asyncio.wait_for(self._reader, _STDERR_LINGER_SECONDS)
        return self._tail.decode(errors="replace").strip()
