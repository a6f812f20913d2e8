"""The worker process of one optimize attempt:

    python -m whisperjob_optimizer.run --server URL (--token-stdin | --token-file PATH) --scratch DIR [--ffmpeg PATH]

With --token-stdin the token is the first line of standard input, and its end means that the parent died. A token file
is read anew before every request. Imports wait until they are needed, for the first progress must be told at once;
but a worker that is given no token yet was started ahead of its work and uses the time to import.

Exit status: 0 a manifest or a failure was published; 1 the infrastructure failed; 3 the attempt is over, nothing that
is done will be read; 143 ended by SIGTERM or with the parent. One line on standard error says why.
"""

import argparse
import importlib
import logging
import os
import select
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from whisperjob.model.errors import ClaimRefusedError, WhisperJobError
from whisperjob.model.phase import STEP_PROGRESS, Step
from whisperjob.model.protocol import ProgressPost
from whisperjob.worker.client import ProgressReporter, WorkClient
from whisperjob.worker.lifeline import TERMINATED, Children, Lifeline

DONE = 0
INFRASTRUCTURE = 1
ATTEMPT_OVER = 3

_ATTEMPT = "whisperjob_optimizer.attempt"
"""All that the work itself needs, which takes a while to import."""


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    children = Children()
    scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=arguments.scratch))
    lifeline = Lifeline(children, lambda: shutil.rmtree(scratch, ignore_errors=True))
    lifeline.on_terminate()
    try:
        token = _token(arguments, lifeline)
        _work(WorkClient(arguments.server, token), children, lifeline, scratch, arguments.ffmpeg)
    except ClaimRefusedError as error:
        return _say(ATTEMPT_OVER, str(error))
    except (WhisperJobError, OSError) as error:
        lifeline.settle()
        return _say(INFRASTRUCTURE, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return DONE


def _work(client: WorkClient, children: Children, lifeline: Lifeline, scratch: Path, ffmpeg: str) -> None:
    claim = client.claim()
    reporter = ProgressReporter(client, lambda refused: lifeline.end(ATTEMPT_OVER, str(refused)))
    begun = STEP_PROGRESS[Step.ANALYZING][0]

    def report(step: Step, percent: float, seconds: float | None) -> None:
        if percent > begun:
            reporter.report(ProgressPost(step=step, percent=percent, duration_seconds=seconds))

    if _ATTEMPT not in sys.modules:  # else there soon is more to tell, which would have to wait behind this
        reporter.report(ProgressPost(step=Step.ANALYZING, percent=begun))
    from whisperjob_optimizer.attempt import attempt

    attempt(claim, client.claim, report, children, scratch, ffmpeg)
    reporter.close()


def _token(arguments: argparse.Namespace, lifeline: Lifeline) -> Callable[[], str]:
    if arguments.token_file is not None:
        path: Path = arguments.token_file
        return lambda: path.read_text().strip()
    stdin = sys.stdin.fileno()
    if not select.select([stdin], [], [], 0)[0]:
        _import_ahead()
    token = _first_line(stdin)
    lifeline.on_stdin_closed()
    if not token:
        lifeline.end(TERMINATED, "no token came")
    return lambda: token


def _import_ahead() -> None:
    importlib.import_module(_ATTEMPT)
    importlib.import_module("whisperjob.worker.sandbox").filter_program()


def _first_line(descriptor: int) -> str:
    """Byte by byte, so that nothing after it is taken from whoever watches the rest."""
    line = bytearray()
    while (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode().strip()


def _say(code: int, why: str) -> int:
    sys.stderr.write(why.replace("\n", " ") + "\n")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="whisperjob-optimizer", description="Works one attempt of one job.")
    parser.add_argument("--server", required=True, help="base URL of the worker protocol")
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument("--token-stdin", action="store_true", help="the token is the first line of standard input")
    token.add_argument("--token-file", type=Path, help="a file with the token, read anew before each request")
    parser.add_argument("--scratch", required=True, type=Path, help="a folder for temporary files")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg to run; ffprobe is looked for beside it")
    return parser


if __name__ == "__main__":
    sys.exit(main())
