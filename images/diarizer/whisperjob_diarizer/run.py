"""The worker process of one diarize attempt:

    python -m whisperjob_diarizer.run --server URL (--token-stdin | --token-file PATH) --scratch DIR [--ffmpeg PATH]

With --token-stdin the token is the first line of standard input, and its end means that the parent died. A token file
is read anew before every request. The first progress is told before torch is imported, which takes seconds.

Exit status: 0 a timeline or a failure was published; 1 the infrastructure failed; 3 the attempt is over, nothing that
is done will be read; 143 ended by SIGTERM or with the parent. One line on standard error says why.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from whisperjob.model.errors import ClaimRefusedError, WhisperJobError
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import DiarizeOptions, ProgressPost
from whisperjob.worker.client import ProgressReporter, WorkClient
from whisperjob.worker.lifeline import TERMINATED, Children, Lifeline
from whisperjob_diarizer.attempt import attempt
from whisperjob_diarizer.port import Diarizer, Loading
from whisperjob_diarizer.programs import Programs

DONE = 0
INFRASTRUCTURE = 1
ATTEMPT_OVER = 3

_NOTE_CHARACTERS = 200


def load_models(options: DiarizeOptions) -> Diarizer:
    """The real ones. Raises ModelUnavailableError."""
    from whisperjob_diarizer.pipeline import load

    return load(options)


def main(argv: list[str] | None = None, load: Loading = load_models) -> int:
    arguments = _parser().parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    children = Children()
    scratch = Path(tempfile.mkdtemp(prefix="worker-", dir=arguments.scratch))
    lifeline = Lifeline(children, lambda: shutil.rmtree(scratch, ignore_errors=True))
    lifeline.on_terminate()
    try:
        client = WorkClient(arguments.server, _token(arguments, lifeline))
        _work(client, lifeline, Programs.find(arguments.ffmpeg, children=children), scratch, load)
    except ClaimRefusedError as error:
        return _say(ATTEMPT_OVER, str(error))
    except (WhisperJobError, OSError, MemoryError) as error:
        lifeline.settle()
        return _say(INFRASTRUCTURE, f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return DONE


def _work(client: WorkClient, lifeline: Lifeline, programs: Programs, scratch: Path, load: Loading) -> None:
    claim = client.claim()
    reporter = ProgressReporter(client, lambda refused: lifeline.end(ATTEMPT_OVER, str(refused)))

    told = ""

    def report(step: DiarizeStep, percent: float, note: str) -> None:
        nonlocal told
        told = note[:_NOTE_CHARACTERS] or told  # again and again: only the newest post is sure to arrive
        reporter.report(ProgressPost(step=step, percent=percent, note=told))

    report(DiarizeStep.LOADING, DIARIZE_PROGRESS[DiarizeStep.LOADING][0], "")
    attempt(claim, client.claim, report, programs, scratch, load)
    reporter.close()


def _token(arguments: argparse.Namespace, lifeline: Lifeline) -> Callable[[], str]:
    if arguments.token_file is not None:
        path: Path = arguments.token_file
        return lambda: path.read_text().strip()
    stdin = sys.stdin.fileno()
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="whisperjob-diarizer", description="Works one attempt of one diarization.")
    parser.add_argument("--server", required=True, help="base URL of the worker protocol")
    token = parser.add_mutually_exclusive_group(required=True)
    token.add_argument("--token-stdin", action="store_true", help="the token is the first line of standard input")
    token.add_argument("--token-file", type=Path, help="a file with the token, read anew before each request")
    parser.add_argument("--scratch", required=True, type=Path, help="a folder for temporary files")
    parser.add_argument("--ffmpeg", default="ffmpeg", help="the ffmpeg to run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
