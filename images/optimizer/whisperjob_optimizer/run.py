"""The worker process of one optimize attempt: `python -m whisperjob_optimizer.run` (whisperjob.worker.worker_program).

Imports are done when they are needed, because the first progress must be reported at once. A standby worker, which has
no token yet, uses the time to import.
"""

import importlib
import sys

from whisperjob.model.phase import STEP_PROGRESS, Step
from whisperjob.model.protocol import ProgressPost
from whisperjob.worker.worker_program import Attempt, run_worker

_WORK_MODULE = "whisperjob_optimizer.optimize_attempt"
"""Imports all that the work needs, which takes a while."""


def main(argv: list[str] | None = None) -> int:
    """Runs the worker and returns its exit status."""
    return run_worker("whisperjob-optimizer", _run, argv, prepare=_prepare)


def _run(attempt: Attempt) -> None:
    claim = attempt.claim()
    reporter = attempt.start_reporter()
    first_percent = STEP_PROGRESS[Step.ANALYZING][0]

    def on_progress(step: Step, percent: float, seconds: float | None) -> None:
        if percent > first_percent:
            reporter.report(ProgressPost(step=step, percent=percent, duration_seconds=seconds))

    if _WORK_MODULE not in sys.modules:  # if it is imported, more progress follows soon, which this post would delay
        reporter.report(ProgressPost(step=Step.ANALYZING, percent=first_percent))
    from whisperjob_optimizer.optimize_attempt import run_attempt

    run_attempt(claim, attempt.client.claim, on_progress, attempt.processes, attempt.scratch, attempt.ffmpeg)
    reporter.close()


def _prepare() -> None:
    importlib.import_module(_WORK_MODULE)
    importlib.import_module("whisperjob.worker.processes.sandbox").prepare()


if __name__ == "__main__":
    sys.exit(main())
