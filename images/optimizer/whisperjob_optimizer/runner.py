"""Starts ffmpeg and ffprobe, confined, and listens to what they say. The only module that runs programs.

Every process is registered with `ProcessGroup`, so that a signal, a vanished parent or an error ends it at once.
"""

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self

from whisperjob.model.errors import InputError, JobCode, WhisperJobError
from whisperjob.worker.cores import available_cores
from whisperjob.worker.lifeline import ProcessGroup
from whisperjob.worker.sandbox import bare_environment, confined
from whisperjob_optimizer.progress import progress_seconds

_STDERR_TAIL_BYTES = 4096


class ToolError(WhisperJobError):
    """ffmpeg is missing, was killed or failed on what it must be able to do: nobody's recording is at fault."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs to run, how many at a time, and who ends them."""

    ffmpeg: str
    ffprobe: str
    cores: int = 1
    processes: ProcessGroup = field(default_factory=ProcessGroup)

    @classmethod
    def find(cls, ffmpeg: str = "ffmpeg", *, processes: ProcessGroup | None = None) -> Self:
        """Raises ToolError if ffmpeg, or ffprobe beside it, is not there."""
        program = shutil.which(ffmpeg)
        if program is None:
            raise ToolError(f"ffmpeg was not found ({ffmpeg})")
        path = Path(program).absolute()
        probe = path.with_name(path.name.replace("ffmpeg", "ffprobe"))
        if not probe.exists():
            raise ToolError(f"ffprobe was not found beside {path}")
        return cls(str(path), str(probe), available_cores(), processes or ProcessGroup())


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended; `said` is the end of its standard error, for logs and never for users."""

    returncode: int
    said: str


class Deadline:
    """When the whole run must be over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at = time.monotonic() + seconds

    @property
    def left_seconds(self) -> float:
        return self._at - time.monotonic()

    def overrun(self) -> InputError:
        return InputError(JobCode.RUN_DEADLINE, f"The work was not done within {self._seconds:.0f} seconds.")


class Listener:
    """A pipe for a program to write lines into, and the thread that reads them as they come."""

    def __init__(self, consume: Callable[[Iterable[str]], None]) -> None:
        reading, self.fd = os.pipe()
        self._file = os.fdopen(reading, encoding="utf-8", errors="replace")
        self._thread = threading.Thread(target=self._listen, args=(consume,), daemon=True)
        self._thread.start()

    def _listen(self, consume: Callable[[Iterable[str]], None]) -> None:
        with self._file:
            consume(self._file)

    def started(self) -> None:
        """The program holds its end now; ours must go, or the end of the stream never comes."""
        os.close(self.fd)

    def join(self) -> None:
        self._thread.join()


class Running:
    """A started program."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        listeners: tuple[Listener, ...],
        deadline: Deadline,
    ) -> None:
        self._process = process
        self._listeners = listeners
        self._deadline = deadline
        self._tail = b""
        assert process.stderr is not None
        self._stderr = threading.Thread(target=self._drain, args=(process.stderr,), daemon=True)
        self._stderr.start()

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := stream.read1(65536):  # type: ignore[attr-defined]  # BufferedReader, which IO does not say
                self._tail = (self._tail + piece)[-_STDERR_TAIL_BYTES:]

    def wait(self) -> Ended:
        """Raises InputError (run_deadline) when the time is up, ToolError when it was killed by a signal."""
        timer = threading.Timer(max(0.0, self._deadline.left_seconds), self._process.kill)  # wait(timeout) polls
        timer.daemon = True
        timer.start()
        self._process.wait()
        timer.cancel()
        for listener in self._listeners:
            listener.join()
        self._stderr.join()
        returncode = self._process.returncode
        said = self._tail.decode(errors="replace").strip()
        if returncode < 0 and self._deadline.left_seconds <= 0:
            raise self._deadline.overrun()
        if returncode < 0 or returncode in (126, 127):
            raise ToolError(
                f"{Path(str(self._process.args)).name[:40]} was ended by signal {-returncode}: {said[-300:]}"
            )
        return Ended(returncode, said)


@dataclass(frozen=True, slots=True)
class Call:
    """A program to run: its command line, and what it is connected to (by default nothing)."""

    argv: list[str]
    stdin: int | IO[bytes] | None = None
    stdout: int | IO[bytes] | None = None
    listeners: tuple[Listener, ...] = ()
    folder: Path | None = None
    """Its current folder; by default scratch."""

    niceness: int = 0
    """How much it stands back behind this process's other programs."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs programs for one attempt, in its scratch folder, until its deadline."""

    tools: Tools
    scratch: Path
    deadline: Deadline

    def kill(self) -> None:
        """Ends everything that runs; nothing can be started afterwards."""
        self.tools.processes.kill_all()

    @contextmanager
    def start(self, call: Call) -> Iterator[Running]:
        """The program lives no longer than the block."""
        process = subprocess.Popen(  # noqa: S603  argv is built here and confined
            confined(call.argv),
            stdin=subprocess.DEVNULL if call.stdin is None else call.stdin,
            stdout=subprocess.DEVNULL if call.stdout is None else call.stdout,
            stderr=subprocess.PIPE,
            pass_fds=[listener.fd for listener in call.listeners],
            cwd=call.folder or self.scratch,
            env=bare_environment(),
        )
        for listener in call.listeners:
            listener.started()
        if call.niceness:
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + call.niceness)
        with self.tools.processes.adopt(process):
            running = Running(process, call.listeners, self.deadline)
            try:
                yield running
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    def run(self, call: Call) -> Ended:
        with self.start(call) as running:
            return running.wait()

    def run_linked(self, first: Call, second: Call) -> tuple[Ended, Ended]:
        """Both at once, the standard output of the first being the standard input of the second."""
        reading, writing = os.pipe()
        with (
            os.fdopen(reading, "rb") as output,
            os.fdopen(writing, "wb") as into,
            self.start(replace(second, stdin=output)) as reader,
            self.start(replace(first, stdout=into)) as writer,
        ):
            output.close()
            into.close()
            return writer.wait(), reader.wait()

    def output(self, argv: list[str]) -> str:
        """Standard output whole, for small answers."""
        pieces: list[str] = []
        listener = Listener(pieces.extend)
        self.run(Call(argv, stdout=listener.fd, listeners=(listener,)))
        return "".join(pieces)


def progress_listener(report: Callable[[float], None]) -> Listener:
    """Calls `report` with the seconds of output made so far, as `-progress` tells them."""

    def consume(lines: Iterable[str]) -> None:
        for line in lines:
            if (seconds := progress_seconds(line)) is not None:
                report(seconds)

    return Listener(consume)
