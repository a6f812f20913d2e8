"""The worker process of one diarize attempt: `python -m whisperjob_diarizer.run`, see whisperjob.worker.worker_program.

The first progress is told before torch is imported, which takes seconds.
"""

import os
import sys
from typing import NoReturn

from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import DiarizeOptions, ProgressPost
from whisperjob.model.resource import MAX_NOTE_LENGTH
from whisperjob.worker.worker_program import Attempt, run_worker
from whisperjob_diarizer.decode import Decoder
from whisperjob_diarizer.diarize_attempt import attempt
from whisperjob_diarizer.diarizer import Diarizer, Loading


def load_models(options: DiarizeOptions) -> Diarizer:
    """The real ones. Raises ModelUnavailableError."""
    from whisperjob_diarizer.pyannote_diarizer import load

    return load(options)


def main(argv: list[str] | None = None, load: Loading = load_models) -> int:
    return run_worker("whisperjob-diarizer", lambda given: _work(given, load), argv)


def _work(given: Attempt, load: Loading) -> None:
    decoder = Decoder.find(given.ffmpeg, processes=given.processes)
    claim = given.client.claim()
    reporter = given.reporter()
    told = ""

    def report(step: DiarizeStep, percent: float, note: str) -> None:
        nonlocal told
        told = note[:MAX_NOTE_LENGTH] or told  # again and again: only the newest post is sure to arrive
        reporter.report(ProgressPost(step=step, percent=percent, note=told))

    report(DiarizeStep.LOADING, DIARIZE_PROGRESS[DiarizeStep.LOADING][0], "")
    attempt(claim, given.client.claim, report, decoder, given.scratch, load)
    reporter.close()


def leave(status: int) -> NoReturn:
    """At once. Taking down an interpreter with PyTorch in it takes a second and more, which nothing needs: all that was
    written is closed, and whoever waits for the result waits for this process."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    leave(main())
