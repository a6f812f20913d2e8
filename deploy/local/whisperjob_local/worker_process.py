"""One worker as a process group of its own: started with its token, ended in time, and nothing of it left behind."""

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
"""From SIGTERM to SIGKILL; the two together must stay under the 2 s a deleted job's ffmpeg may live."""

_STDERR_TAIL_BYTES = 8192
_STDERR_LINGER_SECONDS = 0.5
_PASSED_ON = frozenset(
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
"""What a worker gets of the environment. Not the rest: store credentials and API keys stand there."""


def passed_on(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name in _PASSED_ON}


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended. `exit_code` is negative for a signal, as everywhere in Python."""

    exit_code: int
    stderr_tail: str
    deadline_exceeded: bool


class WorkerProcess:
    """A running worker. Its standard input carries the token, then stays open as its lifeline: when this process
    dies, however it dies, the worker reads the end of it and ends itself."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._tail = bytearray()
        self._reader = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, argv: Sequence[str], scratch: Path, environment: Mapping[str, str] | None = None) -> Self:
        """It waits for its token. Raises OSError if the program cannot be started."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=scratch,
            env={**passed_on(os.environ), "TMPDIR": str(scratch), **(environment or {})},
            start_new_session=True,
        )
        return cls(process)

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def work(self, token: str) -> None:
        """Lets it begin; once."""
        if self._process.stdin is None:  # cannot be: it was asked for
            raise OSError("the worker has no standard input")
        with suppress(ConnectionError):  # it died already; `wait` will say how
            self._process.stdin.write(token.encode() + b"\n")
            await self._process.stdin.drain()

    async def wait(self, limit: timedelta) -> WorkerEnd:
        """Until it ended; it is ended when `limit` is over."""
        exceeded = False
        try:
            await asyncio.wait_for(self._process.wait(), limit.total_seconds())
        except TimeoutError:
            exceeded = True
            await self.terminate()
        self._signal(signal.SIGKILL)  # whatever it left behind in its group
        return WorkerEnd(await self._process.wait(), await self._stderr_tail(), exceeded)

    async def terminate(self) -> None:
        """SIGTERM, a moment, SIGKILL. Returns when the worker is gone; harmless when it is."""
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
        with suppress(TimeoutError):  # a process that left the group may hold the pipe open
            await asyncio.wait_for(self._reader, _STDERR_LINGER_SECONDS)
        return self._tail.decode(errors="replace").strip()
