"""The program around the work of every kind of worker:

    PROGRAM --server URL (--token-stdin | --token-file PATH) --scratch DIR [--ffmpeg PATH]

With --token-stdin the token is the first line of standard input, and its end means that the parent died. A token file
is read again before every request.

Exit status: 0 a result or a verdict was published; 1 the work failed, and it is not known why; 3 the attempt is over,
and no result of it would be read; 4 to 10 the machine is at fault (model/machine_faults.py); 143 ended by SIGTERM or
with the parent. One line on standard error says why.
"""

import argparse
import logging
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whisperjob.model.errors import AttemptOverError, WhisperJobError
from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.model.protocol import Claim
from whisperjob.private_memory import close_memory
from whisperjob.worker.client import ProgressReporter, WorkClient
from whisperjob.worker.faults import find_fault
from whisperjob.worker.lifeline import TERMINATED, Lifeline
from whisperjob.worker.processes.confine import die_with_parent
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.processes.runner import find_ffmpeg
from whisperjob.worker.processes.sandbox import NotConfinedError, find_missing
from whisperjob.worker.worker_sandbox import confine_worker

DONE = 0
INFRASTRUCTURE = 1
ATTEMPT_OVER = 3

_LEAST_ADDRESS_SPACE_BYTES = 1024 * 1024 * 1024
"""ffmpeg maps about half a GiB of libraries, and a decoder may allocate as much again."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a worker needs for its attempt. `scratch` is a folder of this attempt alone, and is removed with it."""

    client: WorkClient
    processes: ProcessGroup
    scratch: Path
    ffmpeg: str
    lifeline: Lifeline
    folder: Path
    """Where `scratch` is: nothing else needs it."""

    token_file: Path | None
    require_sandbox: bool

    def claim(self) -> Claim:
        """Claims the work. From then on this process may open only what the work needs (worker_sandbox.py).

        To be called once, and before any thread is started, since threads are restricted one by one. Raises as
        WorkClient.claim does, ProgramError without ffmpeg, OSError.
        """
        claim = self.client.claim()
        ffmpeg = find_ffmpeg(self.ffmpeg)
        if self.require_sandbox and (lacks := find_missing(str(ffmpeg))):
            raise NotConfinedError(f"the sandbox is required, but {' and '.join(lacks)}")
        confine_worker(claim, folder=self.folder, token_file=self.token_file, ffmpeg=ffmpeg)
        if self.token_file is None:
            self.lifeline.on_stdin_closed()
        return claim

    def start_reporter(self) -> ProgressReporter:
        """Starts a reporter of progress that ends the process when the engine says that the attempt is over."""
        return ProgressReporter(self.client, lambda refused: self.lifeline.end(ATTEMPT_OVER, str(refused)))


def run_worker(
    name: str,
    work: Callable[[Attempt], None],
    argv: list[str] | None = None,
    *,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Runs a worker and returns its exit status.

    `work` returns when it has published a result or a verdict, and raises for everything that another attempt may
    change. `prepare` is called in a standby worker while it waits for its token.
    """
    arguments = _build_parser(name).parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    close_memory()
    processes = ProcessGroup()
    scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=arguments.scratch))
    os.environ["TMPDIR"] = tempfile.tempdir = str(scratch)
    lifeline = Lifeline(processes, lambda: shutil.rmtree(scratch, ignore_errors=True))
    lifeline.on_terminate()
    token_file, folder = arguments.token_file, arguments.scratch.absolute()
    try:
        _require_memory()
        client = WorkClient(arguments.server, _token_source(token_file, lifeline, prepare))
        work(
            Attempt(
                client, processes, scratch, arguments.ffmpeg, lifeline, folder, token_file, arguments.require_sandbox
            )
        )
    except AttemptOverError as error:
        return _explain(ATTEMPT_OVER, str(error))
    except (WhisperJobError, OSError, MemoryError) as error:
        lifeline.settle()
        return _explain(find_fault(error) or INFRASTRUCTURE, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return DONE


def _require_memory() -> None:
    """Raises MachineFaultError if this process may not have as much memory as any work needs.

    Both Python and ffmpeg fail in many ways then, and some of them look as if the recording were at fault.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_ADDRESS_SPACE_BYTES:
        least = _LEAST_ADDRESS_SPACE_BYTES >> 20
        detail = f"the limit of address space (ulimit -v) is {limit >> 20} MiB; at least {least} are needed"
        raise MachineFaultError(MachineFault.NO_MEMORY, detail)


def _token_source(file: Path | None, lifeline: Lifeline, prepare: Callable[[], None] | None) -> Callable[[], str]:
    """Returns the function that gives the token, from a file or from the first line of standard input."""
    if file is not None:
        return lambda: file.read_text().strip()
    die_with_parent(signal.SIGTERM)  # until the claim, when the lifeline watches standard input
    stdin = sys.stdin.fileno()
    if prepare is not None and not select.select([stdin], [], [], 0)[0]:
        prepare()
    token = _read_line(stdin)
    if not token:
        lifeline.end(TERMINATED, "no token came")
    if _is_hung_up(stdin):  # the parent died before it could be watched; the token was in the pipe already
        lifeline.end(TERMINATED, "the parent is gone")
    return lambda: token


def _read_line(descriptor: int) -> str:
    """Reads a line byte by byte, so that all that follows it is left to the lifeline."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode().strip()


def _is_hung_up(descriptor: int) -> bool:
    """Whether nobody holds the other end of this pipe any more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def _explain(code: int, why: str) -> int:
    sys.stderr.write(why.replace("\n", " ") + "\n")
    return code


def _build_parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description="Runs one attempt at one stage of a job.")
    parser.add_argument("--server", required=True, help="base URL of the worker protocol")
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument("--token-stdin", action="store_true", help="the token is the first line of standard input")
    token.add_argument("--token-file", type=Path, help="a file with the token, read again before each request")
    parser.add_argument("--scratch", required=True, type=Path, help="a folder for temporary files")
    parser.add_argument("--require-sandbox", action="store_true", help="work only where the whole sandbox holds")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg to run; ffprobe is looked for beside it")
    return parser
