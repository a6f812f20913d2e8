"""What every worker program is around its work:

    PROGRAM --server URL (--token-stdin | --token-file PATH) --scratch DIR [--ffmpeg PATH]

With --token-stdin the token is the first line of standard input, and its end means that the parent died. A token file
is read anew before every request.

Exit status: 0 a result or a failure was published; 1 the infrastructure failed; 3 the attempt is over, nothing that is
done will be read; 143 ended by SIGTERM or with the parent. One line on standard error says why.
"""

import argparse
import logging
import os
import select
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from whisperjob.model.errors import ClaimRefusedError, WhisperJobError
from whisperjob.worker.client import ProgressReporter, WorkClient
from whisperjob.worker.lifeline import TERMINATED, Lifeline
from whisperjob.worker.processes.process_group import ProcessGroup

DONE = 0
INFRASTRUCTURE = 1
ATTEMPT_OVER = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the work is done with. `scratch` is this attempt's own, and goes with it."""

    client: WorkClient
    processes: ProcessGroup
    scratch: Path
    ffmpeg: str
    lifeline: Lifeline

    def reporter(self) -> ProgressReporter:
        """Ends the process where the engine says that the attempt is over."""
        return ProgressReporter(self.client, lambda refused: self.lifeline.end(ATTEMPT_OVER, str(refused)))


def run_worker(
    name: str,
    work: Callable[[Attempt], None],
    argv: list[str] | None = None,
    *,
    ahead: Callable[[], None] | None = None,
) -> int:
    """The exit status. `work` returns once it has published a result or a failure, and raises for everything that is
    worth another attempt; `ahead` is done while a worker that was started ahead of its work waits for its token."""
    arguments = _parser(name).parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    processes = ProcessGroup()
    scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=arguments.scratch))
    lifeline = Lifeline(processes, lambda: shutil.rmtree(scratch, ignore_errors=True))
    lifeline.on_terminate()
    try:
        token = _token(arguments.token_file, lifeline, ahead)
        work(Attempt(WorkClient(arguments.server, token), processes, scratch, arguments.ffmpeg, lifeline))
    except ClaimRefusedError as error:
        return _say(ATTEMPT_OVER, str(error))
    except (WhisperJobError, OSError, MemoryError) as error:
        lifeline.settle()
        return _say(INFRASTRUCTURE, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return DONE


def _token(file: Path | None, lifeline: Lifeline, ahead: Callable[[], None] | None) -> Callable[[], str]:
    if file is not None:
        return lambda: file.read_text().strip()
    stdin = sys.stdin.fileno()
    if ahead is not None and not select.select([stdin], [], [], 0)[0]:
        ahead()
    token = _first_line(stdin)
    lifeline.on_stdin_closed()
    if not token:
        lifeline.end(TERMINATED, "no token came")
    return lambda: token


def _first_line(descriptor: int) -> str:
    """Byte by byte, so that nothing after it is taken from whoever watches the rest."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode().strip()


def _say(code: int, why: str) -> int:
    sys.stderr.write(why.replace("\n", " ") + "\n")
    return code


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description="Works one attempt of one job.")
    parser.add_argument("--server", required=True, help="base URL of the worker protocol")
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument("--token-stdin", action="store_true", help="the token is the first line of standard input")
    token.add_argument("--token-file", type=Path, help="a file with the token, read anew before each request")
    parser.add_argument("--scratch", required=True, type=Path, help="a folder for temporary files")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg to run; ffprobe is looked for beside it")
    return parser
