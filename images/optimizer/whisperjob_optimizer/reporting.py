"""Reports an attempt's progress in percent of the whole job."""

from collections.abc import Callable

from whisperjob.model.phase import STEP_PROGRESS, Step

OnProgress = Callable[[Step, float, float | None], None]
"""Called, from any thread, with a step, the percent of the whole job and, if known, the recording's seconds."""


class Progress:
    """Reports progress that never goes back and is inside the range of its step."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._highest = 0.0
        self.seconds: float | None = None

    def report(self, step: Step, percent: float) -> None:
        low, high = STEP_PROGRESS[step]
        self._highest = max(self._highest, min(max(percent, low), high))
        self._on_progress(step, self._highest, self.seconds)

    def between(self, step: Step, low: float, high: float, total_seconds: float | None) -> Callable[[float], None]:
        """Returns a callback that converts seconds, of `total_seconds`, into a percent between `low` and `high`."""

        def on_seconds(seconds: float) -> None:
            if total_seconds:
                self.report(step, low + (high - low) * min(1.0, seconds / total_seconds))

        return on_seconds
