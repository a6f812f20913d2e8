"""Starts programs, confined, and observes how they end. This is the only module of the workers that uses subprocess.

Every program belongs to a ProcessGroup, so that a signal, the death of the parent or an error ends it at once.
"""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import RawIOBase
from pathlib import Path
from typing import IO, Final, cast

from whisperjob.model.errors import WhisperJobError
from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.worker.faults import find_program_fault
from whisperjob.worker.processes.deadline import Deadline
from whisperjob.worker.processes.limits import DEFAULT_LIMITS, Limits, Resource
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.processes.report_pipes import ReportPipe
from whisperjob.worker.processes.sandbox import Reach, bare_environment, confined

TO_CALLER: Final = subprocess.PIPE
"""As a program's `stdout`: the caller reads it from `RunningProgram.output`."""

_STDERR_TAIL_BYTES = 4096
_READ_BYTES = 65536
_CPU_ACCURACY = 0.25
"""The kernel counts the limit in ticks of a clock and shows another, exact time; on a busy machine they differ by some
percent. Whoever kills a program for another reason does it long before: limits are far above what is needed."""


class ProgramError(WhisperJobError):
    """A program was killed, or failed on what it must be able to do, and it is not known why."""


class LimitError(ProgramError):
    """The kernel ended a program that needed more of a resource than its Limits grant."""

    def __init__(self, name: str, resource: Resource) -> None:
        super().__init__(f"{name} reached its limit of {resource}")
        self.resource = resource


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run: its command line, and what it is connected to (by default nothing)."""

    argv: list[str]
    stdin: int | IO[bytes] | None = None
    stdout: int | IO[bytes] | None = None
    readers: tuple[ReportPipe, ...] = ()
    folder: Path | None = None
    """The program's current folder; by default that of this process."""

    niceness: int = 0
    """How much lower its priority is than that of this process."""

    limits: Limits = DEFAULT_LIMITS
    reads: tuple[Path, ...] = ()
    """The files it may read, besides those of the runner's inputs and folder."""


@dataclass(frozen=True, slots=True)
class CompletedProgram:
    """How a program ended. `stderr_tail` is the end of its standard error on one line, for logs and never for users."""

    returncode: int
    stderr_tail: str


class RunningProgram:
    """A started program. `output` is its standard output, unbuffered, if that goes TO_CALLER."""

    def __init__(self, process: subprocess.Popen[bytes], program: Program, deadline: Deadline | None) -> None:
        self._process = process
        self._program = program
        self._deadline = deadline
        self._cpu_seconds = 0.0
        self._tail = b""
        assert process.stderr is not None
        self._stderr = threading.Thread(target=self._drain, args=(process.stderr,), daemon=True)
        self._stderr.start()

    @property
    def output(self) -> RawIOBase:
        """The read end of standard output. `readinto` reads without a copy."""
        assert self._process.stdout is not None
        return cast(RawIOBase, self._process.stdout)

    def wait(self) -> CompletedProgram:
        """Waits for the end of the program and of all that it wrote.

        Raises MachineFaultError when the machine is known to be at fault (worker/faults.py), ProgramError when it was
        killed by a signal, LimitError when that was the signal of one of its limits, InputError (run_deadline) when it
        was the deadline's.
        """
        self._wait_for_exit()
        for reader in self._program.readers:
            reader.join()
        self._stderr.join()
        returncode = self._process.returncode
        tail = " ".join(self._tail.decode(errors="replace").split())
        if returncode < 0 and self._deadline is not None and self._deadline.left_seconds <= 0:
            raise self._deadline.to_error()
        if resource := self._reached_limit(returncode):
            raise LimitError(Path(self._program.argv[0]).name, resource)
        name = Path(self._program.argv[0]).name
        if fault := find_program_fault(returncode, tail):
            raise MachineFaultError(fault, f"{name} failed ({returncode}): {tail[-300:]}")
        if returncode < 0:
            raise ProgramError(f"{name} was ended by signal {-returncode}: {tail[-300:]}")
        return CompletedProgram(returncode, tail)

    def end(self) -> None:
        """Kills the program if it still runs, and closes its output."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _reached_limit(self, returncode: int) -> Resource | None:
        limits = self._program.limits
        if returncode == -signal.SIGXFSZ:
            return Resource.FILE
        killed = returncode == -signal.SIGKILL
        if killed and limits.cpu_seconds and self._cpu_seconds > limits.cpu_seconds * (1 - _CPU_ACCURACY) - 0.5:
            return Resource.CPU
        return None

    def _wait_for_exit(self) -> None:
        if self._deadline is None:
            self._reap()
            return
        timer = threading.Timer(max(0.0, self._deadline.left_seconds), self._process.kill)  # wait(timeout) polls
        timer.daemon = True
        timer.start()
        self._reap()
        timer.cancel()

    def _reap(self) -> None:
        """Waits for the exit, and notes the processor time while the kernel still remembers it."""
        with suppress(ChildProcessError):  # whoever killed it has reaped it
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self._cpu_seconds = usage.ru_utime + usage.ru_stime
        self._process.wait()

    def _drain(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := stream.read(_READ_BYTES):
                self._tail = (self._tail + piece)[-_STDERR_TAIL_BYTES:]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the programs of one attempt: as members of its process group, in its folder, until its deadline.

    A program may read the inputs, and read and write in the folder; no other file. Without a folder, programs run in
    this process's current one, and write nothing; without a deadline, they run as long as they take.
    """

    processes: ProcessGroup
    folder: Path | None = None
    deadline: Deadline | None = None
    inputs: tuple[Path, ...] = ()

    def kill_all(self) -> None:
        """Kills all programs that run; every program that is started afterwards is killed, too."""
        self.processes.kill_all()

    @contextmanager
    def start(self, program: Program) -> Iterator[RunningProgram]:
        """Starts a program that lives no longer than the block. Raises OSError."""
        try:
            process = subprocess.Popen(  # noqa: S603  the command line is built by the workers, and confined
                confined(program.argv, program.limits, self._reach(program)),
                stdin=subprocess.DEVNULL if program.stdin is None else program.stdin,
                stdout=subprocess.DEVNULL if program.stdout is None else program.stdout,
                stderr=subprocess.PIPE,
                bufsize=0,  # what goes to the caller is read in large pieces, without a buffer in between
                pass_fds=[reader.fd for reader in program.readers],
                cwd=program.folder or self.folder,
                env=bare_environment(),
            )
        finally:
            for reader in program.readers:
                reader.release()
        if program.niceness:
            niceness = os.getpriority(os.PRIO_PROCESS, 0) + program.niceness
            os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
        with self.processes.adopt(process):
            running = RunningProgram(process, program, self.deadline)
            try:
                yield running
            finally:
                running.end()

    def _reach(self, program: Program) -> Reach:
        folders = [folder for folder in (self.folder, program.folder) if folder is not None]
        return Reach(reads=(*self.inputs, *program.reads), writes=tuple(dict.fromkeys(folders)))

    def run(self, program: Program) -> CompletedProgram:
        """Runs a program to its end. Raises as RunningProgram.wait does."""
        with self.start(program) as running:
            return running.wait()

    def run_linked(self, first: Program, second: Program) -> tuple[CompletedProgram, CompletedProgram]:
        """Runs both at once; the standard output of the first is the standard input of the second."""
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

    def run_converted(
        self, first: Program, convert: Callable[[RawIOBase], Iterable[bytes]], second: Program
    ) -> tuple[CompletedProgram, CompletedProgram]:
        """Runs both at once; what `convert` makes of the first one's output is the standard input of the second.

        An error in `convert` ends both.
        """
        reading, writing = os.pipe()
        with (
            os.fdopen(reading, "rb") as output,
            os.fdopen(writing, "wb", buffering=0) as into,
            self.start(replace(second, stdin=output)) as reader,
            self.start(replace(first, stdout=TO_CALLER)) as writer,
        ):
            output.close()
            with suppress(BrokenPipeError):  # the second program has ended, and its exit status says how
                for piece in convert(writer.output):
                    left = memoryview(piece)
                    while left:
                        left = left[into.write(left) :]
            into.close()
            writer.output.close()
            return writer.wait(), reader.wait()


def find_ffmpeg(name: str) -> Path:
    """Returns the absolute path of the ffmpeg that is named by a path or found in PATH.

    Raises MachineFaultError if it is not there.
    """
    path = shutil.which(name)
    if path is None:
        raise MachineFaultError(MachineFault.NO_PROGRAM, f"ffmpeg was not found ({name})")
    return Path(path).absolute()
