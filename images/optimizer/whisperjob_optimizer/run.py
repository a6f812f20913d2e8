"""The worker process of one optimize attempt: `python -m whisperjob_optimizer.run` (whisperjob.worker.worker_program).

Imports wait until they are needed, for the first progress must be told at once; but a worker that is given no token yet
was started ahead of its work and uses the time to import.
"""

import importlib
import sys

from whisperjob.model.phase import STEP_PROGRESS, Step
from whisperjob.model.protocol import ProgressPost
from whisperjob.worker.worker_program import Attempt, run_worker

_ATTEMPT = "whisperjob_optimizer.optimize_attempt"
"""All that the work itself needs, which takes a while to import."""


def main(argv: list[str] | None = None) -> int:
    return run_worker("whisperjob-optimizer", _work, argv, ahead=_import_ahead)


def _work(given: Attempt) -> None:
    claim = given.client.claim()
    reporter = given.reporter()
    begun = STEP_PROGRESS[Step.ANALYZING][0]

    def report(step: Step, percent: float, seconds: float | None) -> None:
        if percent > begun:
            reporter.report(ProgressPost(step=step, percent=percent, duration_seconds=seconds))

    if _ATTEMPT not in sys.modules:  # else there soon is more to tell, which would have to wait behind this
        reporter.report(ProgressPost(step=Step.ANALYZING, percent=begun))
    from whisperjob_optimizer.optimize_attempt import attempt

    attempt(claim, given.client.claim, report, given.processes, given.scratch, given.ffmpeg)
    reporter.close()


def _import_ahead() -> None:
    importlib.import_module(_ATTEMPT)
    importlib.import_module("whisperjob.worker.processes.sandbox").filter_program()


if __name__ == "__main__":
    sys.exit(main())
