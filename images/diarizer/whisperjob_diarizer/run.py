"""The worker process of one diarize attempt: `python -m whisperjob_diarizer.run`, see whisperjob.worker.worker_program.

The first progress is reported before torch is imported, which takes seconds.
"""

import os
import sys
from typing import NoReturn

from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import DiarizeOptions, ProgressPost
from whisperjob.model.resource import MAX_NOTE_LENGTH
from whisperjob.worker.worker_program import Attempt, run_worker
from whisperjob_diarizer.decode import Decoder
from whisperjob_diarizer.diarize_attempt import run_attempt
from whisperjob_diarizer.port import Diarizer, DiarizerLoader


def load_diarizer(options: DiarizeOptions) -> Diarizer:
    """Loads the real models. Raises ModelUnavailableError."""
    from whisperjob_diarizer.pyannote_diarizer import load

    return load(options)


def main(argv: list[str] | None = None, load: DiarizerLoader = load_diarizer) -> int:
    """Runs the worker and returns its exit status."""
    return run_worker("whisperjob-diarizer", lambda attempt: _run(attempt, load), argv)


def _run(attempt: Attempt, load: DiarizerLoader) -> None:
    decoder = Decoder.find(attempt.ffmpeg, processes=attempt.processes)
    claim = attempt.claim()
    reporter = attempt.start_reporter()
    last_note = ""

    def on_progress(step: DiarizeStep, percent: float, note: str) -> None:
        nonlocal last_note
        last_note = note[:MAX_NOTE_LENGTH] or last_note  # it is repeated, because only the newest post surely arrives
        reporter.report(ProgressPost(step=step, percent=percent, note=last_note))

    on_progress(DiarizeStep.LOADING, DIARIZE_PROGRESS[DiarizeStep.LOADING][0], "")
    run_attempt(claim, attempt.client.claim, on_progress, decoder, attempt.scratch, load)
    reporter.close()


def exit_at_once(status: int) -> NoReturn:
    """Ends the process without taking down the interpreter.

    With PyTorch in it, that takes a second and more, for which the launcher would wait. Nothing needs it: all written
    files are closed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    exit_at_once(main())
